#include "proof/ledger.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "base/sleep.h"
#include "crypto/hash.h"
#include "crypto/kdf.h"
#include "sys/file.h"

namespace cairn::proof {
namespace {

constexpr std::string_view kHeader = "cairn-ledger 1\n";
constexpr std::string_view kTrailer = "hmac ";
constexpr std::size_t kFileSizeMax = std::size_t{1} << 30;
constexpr int kLockAttempts = 100;
constexpr Duration kLockPause = milliseconds(100);

std::string authenticator(std::string_view text, ByteView key) {
  return hex_encode(crypto::hmac_sha256(key, as_bytes(text)));
}

// The next word of `line`, up to a blank.
std::string_view take_word(std::string_view& line) {
  const std::size_t end = std::min(line.find(' '), line.size());
  const std::string_view word = line.substr(0, end);
  line.remove_prefix(std::min(end + 1, line.size()));
  return word;
}

bool take_number(std::string_view& line, std::int64_t& out) {
  const std::string_view word = take_word(line);
  const auto [end, problem] = std::from_chars(word.data(), word.data() + word.size(), out);
  return problem == std::errc() && end == word.data() + word.size() && !word.empty();
}

}  // namespace

// <blob> <length> <timestamp> <contents> <read at> ok|failed
Result<Ledger::Rows> Ledger::read(const std::string& path, ByteView key) {
  TRY_ASSIGN(const Buffer bytes, sys::read_file(path, kFileSizeMax));
  std::string_view text = bytes.text();
  const std::size_t trailer = text.rfind(kTrailer);
  if (!text.starts_with(kHeader) || trailer == std::string_view::npos ||
      text.substr(trailer + kTrailer.size()) != authenticator(text.substr(0, trailer), key) + "\n") {
    return error(Code::corrupt, "{} does not authenticate", path);
  }
  text = text.substr(kHeader.size(), trailer - kHeader.size());
  Rows rows;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const std::string blob(take_word(line));
    LedgerRow row;
    if (!take_number(line, row.length) || !take_number(line, row.timestamp_ns) || !take_number(line, row.contents) ||
        !take_number(line, row.read_at) || (line != "ok" && line != "failed")) {
      return error(Code::corrupt, "{} has a row that cannot be read", path);
    }
    row.failed = line == "failed";
    rows.emplace_hint(rows.end(), blob, row);
  }
  return rows;
}

Ledger Ledger::load(std::string path, ByteView key) {
  Ledger ledger;
  ledger.path_ = std::move(path);
  ledger.key_ = SecretBytes(key);
  auto rows = read(ledger.path_, key);
  if (rows.ok()) {
    ledger.rows_ = std::move(*rows);
  } else if (rows.code() != Code::not_found) {
    ledger.problem_ = rows.status().message();
  }
  return ledger;
}

const LedgerRow* Ledger::find(const std::string& blob) const {
  const auto it = rows_.find(blob);
  return it == rows_.end() ? nullptr : &it->second;
}

void Ledger::record(const std::string& blob, const LedgerRow& row) {
  // A name that would break the lines of the file is not remembered: it counts as unread.
  if (std::ranges::none_of(blob, [](unsigned char c) { return c <= ' '; })) {
    rows_[blob] = row;
  }
}

Status Ledger::save(const std::function<bool(const std::string& blob, const LedgerRow&)>& keep) {
  TRY(sys::make_directories(sys::parent_path(path_), 0700));
  auto lock = sys::FileLock::try_lock(path_ + ".lock");
  for (int attempt = 1; lock.code() == Code::conflict && attempt < kLockAttempts; ++attempt) {
    sleep_for(kLockPause, {});
    lock = sys::FileLock::try_lock(path_ + ".lock");
  }
  TRY(lock, "ledger");
  if (auto others = read(path_, key_.view()); others.ok()) {
    std::erase_if(*others, [&](const auto& r) { return !keep(r.first, r.second); });
    for (auto& [blob, theirs] : *others) {
      const auto [mine, fresh] = rows_.try_emplace(blob, theirs);
      if (!fresh && mine->second.read_at < theirs.read_at) {
        mine->second = theirs;
      }
    }
  }
  std::erase_if(rows_, [&](const auto& r) { return !keep(r.first, r.second); });
  std::string text(kHeader);
  for (const auto& [blob, row] : rows_) {
    fmt::format_to(std::back_inserter(text), "{} {} {} {} {} {}\n", blob, row.length, row.timestamp_ns, row.contents,
                   row.read_at, row.failed ? "failed" : "ok");
  }
  const std::string mac = authenticator(text, key_.view());
  text += kTrailer;
  text += mac + "\n";
  TRY(sys::write_file_atomic(path_, as_bytes(text), 0600), "ledger");
  return {};
}

std::string ledger_path(ByteView unique_id, const blob::Storage& storage) {
  Buffer place = Buffer::copy_of(unique_id);
  place.append(storage.display_name());
  const char* state = std::getenv("XDG_STATE_HOME");
  const std::string directory =
      state != nullptr && *state != 0 ? state : sys::join_path(sys::home_directory(), ".local/state");
  return directory + "/cairn/ledger-" + hex_encode(crypto::sha256(place.view())).substr(0, 16);
}

}  // namespace cairn::proof
