#include "repo/repository_log.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>

#include "base/json.h"
#include "base/random.h"
#include "compress/codec.h"

namespace cairn::repo {
namespace {

constexpr std::size_t kTextMax = std::size_t{4} << 20;
constexpr std::string_view kLevelNames[] = {"debug", "info", "warning", "error"};

struct LogName {
  std::string session;
  std::int64_t start = 0, end = 0, chunk = 0;
};

std::optional<std::int64_t> number(std::string_view text) {
  std::int64_t value = 0;
  const auto [at, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  return code == std::errc() && at == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

// _log_<local time>_<4 hex>_<start>_<end>_<chunk>_<hash>
std::optional<LogName> parse_name(std::string_view name) {
  if (!name.starts_with(kLogBlobPrefix)) {
    return std::nullopt;
  }
  name.remove_prefix(kLogBlobPrefix.size());
  std::vector<std::string_view> parts;
  for (std::size_t at = 0; at <= name.size();) {
    const std::size_t end = std::min(name.find('_', at), name.size());
    parts.push_back(name.substr(at, end - at));
    at = end + 1;
  }
  if (parts.size() != 6) {
    return std::nullopt;
  }
  const auto start = number(parts[2]), end = number(parts[3]), chunk = number(parts[4]);
  constexpr std::int64_t kSecondsMax = 9'000'000'000;  // what nanoseconds in 64 bits can hold
  if (!start || !end || !chunk || *start < 0 || *end < 0 || *start > kSecondsMax || *end > kSecondsMax) {
    return std::nullopt;
  }
  return LogName{std::string(parts[0]) + "_" + std::string(parts[1]), *start, *end, *chunk};
}

std::string log_line(Timestamp now, std::string_view level, std::string_view module, std::string_view message,
                     std::string_view fields) {
  Json line = Json::object({{"t", rfc3339(now)}, {"level", level}, {"module", module}, {"msg", message}});
  if (auto parsed = Json::parse(fields); parsed.ok() && parsed->is_object()) {
    line.set("fields", std::move(*parsed));
  }
  return line.dump() + "\n";
}

}  // namespace

RepositoryLog::RepositoryLog(std::shared_ptr<blob::Storage> storage, std::shared_ptr<const format::UnitCrypto> crypto,
                             const Clock& clock)
    : storage_(std::move(storage)), crypto_(std::move(crypto)), clock_(clock), started_(clock.now()) {}

void RepositoryLog::write(log::Level level, std::string_view module, std::string_view message,
                          std::string_view fields) {
  const std::string line =
      log_line(clock_.now(), kLevelNames[static_cast<std::size_t>(level)], module, message, fields);
  const std::lock_guard lock(mutex_);
  if (closed_) {
    return;
  }
  if (text_.size() + line.size() > kTextMax) {
    ++dropped_;
    return;
  }
  text_ += line;
}

Status RepositoryLog::close(std::stop_token stop) {
  std::string text;
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    text = std::move(text_);
    if (dropped_ > 0) {
      text += log_line(clock_.now(), "warning", "log", fmt::format("{} further lines were dropped", dropped_), {});
    }
  }
  if (text.empty()) {
    return {};
  }
  Buffer packed;
  TRY(compress::gzip(as_bytes(text), packed));
  const CivilTime local = civil_local(started_);
  const std::string prefix = fmt::format("{}{:04}{:02}{:02}{:02}{:02}{:02}_{}_{}_{}_0_", kLogBlobPrefix, local.year,
                                         local.month, local.day, local.hour, local.minute, local.second, random_hex(2),
                                         started_.unix_seconds(), clock_.now().unix_seconds());
  TRY_ASSIGN(const auto sealed, crypto_->seal_blob(prefix, "", packed));
  return storage_->put(sealed.id, sealed.data.view(), stop).status();
}

Result<std::vector<LogSession>> list_log_sessions(blob::Storage& storage, std::stop_token stop) {
  TRY_ASSIGN(auto blobs, storage.list_all(kLogBlobPrefix, stop), "error listing logs");
  std::map<std::string, LogSession> by_id;
  std::map<std::string, std::int64_t> chunks;
  for (const blob::BlobMetadata& blob : blobs) {
    const auto name = parse_name(blob.id.text);
    if (!name) {
      continue;
    }
    chunks[blob.id.text] = name->chunk;
    LogSession& session = by_id[name->session];
    const Timestamp start = Timestamp::from_seconds(name->start), end = Timestamp::from_seconds(name->end);
    session.start = session.segments.empty() ? start : std::min(session.start, start);
    session.end = session.segments.empty() ? end : std::max(session.end, end);
    session.id = name->session;
    session.bytes += blob.length;
    session.segments.push_back(blob);
  }
  std::vector<LogSession> out;
  for (auto& [id, session] : by_id) {
    std::ranges::sort(session.segments, {}, [&](const auto& b) { return chunks[b.id.text]; });
    out.push_back(std::move(session));
  }
  std::ranges::stable_sort(out, {}, &LogSession::start);
  return out;
}

Result<Buffer> read_log_blob(blob::Storage& storage, const format::UnitCrypto& crypto, const BlobId& id,
                             std::stop_token stop) {
  TRY_ASSIGN(const Buffer stored, storage.get(id, {}, stop), "error reading {}", id.text);
  TRY_ASSIGN(const Buffer packed, crypto.open_blob(id, stored), "unable to decrypt {}", id.text);
  Buffer text;
  TRY(compress::gunzip(packed, text), "{}", id.text);
  return text;
}

}  // namespace cairn::repo
