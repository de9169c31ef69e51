#include <algorithm>
#include <array>
#include <cstring>

#include "snapshot/archive_writer.h"
#include "snapshot/deflate_stream.h"

namespace cairn::snapshot {
namespace {

constexpr std::size_t kBlock = 512;
constexpr std::int64_t kSizeOctalMax = 077777777777;  // 11 digits
constexpr std::uint32_t kIdOctalMax = 07777777;       // 7 digits
constexpr std::array<Byte, 2 * kBlock> kZeros{};

// The header's fields, all text.
struct Header {
  char name[100];
  char mode[8], uid[8], gid[8];
  char size[12], mtime[12];
  char checksum[8];
  char type;
  char link[100];
  char magic[6], version[2];
  char user[32], group[32];
  char major[8], minor[8];
  char prefix[155];
  char padding[12];
};
static_assert(sizeof(Header) == kBlock);

template <std::size_t N>
void put_octal(char (&field)[N], std::uint64_t value) {
  for (std::size_t i = N - 1; i-- > 0;) {
    field[i] = static_cast<char>('0' + (value & 7));
    value >>= 3;
  }
}

template <std::size_t N>
void put_text(char (&field)[N], std::string_view text) {
  std::copy_n(text.begin(), std::min(N, text.size()), field);
}

// "len key=value\n", where len counts itself.
void append_pax(std::string& out, std::string_view key, std::string_view value) {
  const std::size_t rest = key.size() + value.size() + 3;
  std::size_t total = rest + 1;
  while (total != rest + std::to_string(total).size()) {
    ++total;
  }
  out += fmt::format("{} {}={}\n", total, key, value);
}

bool is_ascii(std::string_view s) {
  for (const char c : s) {
    if (static_cast<unsigned char>(c) >= 0x80) {
      return false;
    }
  }
  return true;
}

// Splits at a slash so that both parts fit; false when there is no such place.
bool split_name(std::string_view path, std::string_view& prefix, std::string_view& name) {
  if (path.size() <= sizeof(Header::name)) {
    prefix = {};
    name = path;
    return true;
  }
  for (std::size_t i = std::min(path.size() - 1, sizeof(Header::prefix)); i > 0; --i) {
    if (path[i] == '/' && i + 1 < path.size() && path.size() - i - 1 <= sizeof(Header::name)) {
      prefix = path.substr(0, i);
      name = path.substr(i + 1);
      return true;
    }
  }
  return false;
}

class TarWriter final : public ArchiveWriter {
 public:
  TarWriter(std::unique_ptr<ByteSinkStream> sink, bool gzip) : sink_(std::move(sink)) {
    if (gzip) {
      deflate_.emplace(DeflateStream::Wrapper::gzip, [this](ByteView b) { return sink_->write(b); });
    }
  }
  Status directory(const ArchiveItem& item) override { return header(item, '5', 0); }
  Status symlink(const ArchiveItem& item) override { return header(item, '2', 0); }
  Status begin_file(const ArchiveItem& item) override {
    file_bytes_ = item.size;
    return header(item, '0', item.size);
  }
  Status data(ByteView bytes) override { return put(bytes); }
  Status end_file() override { return pad(file_bytes_); }
  Status finish() override {
    TRY(put(kZeros));
    if (deflate_) {
      TRY(deflate_->finish());
    }
    return sink_->close();
  }

 private:
  Status put(ByteView bytes) { return deflate_ ? deflate_->write(bytes) : sink_->write(bytes); }
  Status pad(std::int64_t size) {
    const std::size_t over = static_cast<std::size_t>(size) % kBlock;
    return over == 0 ? Status() : put(ByteView(kZeros).first(kBlock - over));
  }
  Status put_header(Header& h) {
    put_text(h.magic, "ustar");
    put_text(h.version, "00");
    std::memset(h.checksum, ' ', sizeof h.checksum);
    std::array<Byte, kBlock> raw;
    std::memcpy(raw.data(), &h, kBlock);
    unsigned sum = 0;
    for (const Byte b : raw) {
      sum += b;
    }
    const std::string text = fmt::format("{:06o}", sum);
    std::memcpy(raw.data() + offsetof(Header, checksum), text.data(), 6);
    raw[offsetof(Header, checksum) + 6] = 0;
    return put(raw);
  }
  Status header(const ArchiveItem& item, char type, std::int64_t size) {
    std::string pax;
    std::string_view prefix, name;
    const bool fits = is_ascii(item.path) && split_name(item.path, prefix, name);
    if (!fits) {
      append_pax(pax, "path", item.path);
      prefix = {};
      name = item.path;
    }
    if (item.link_target.size() > sizeof(Header::link) || !is_ascii(item.link_target)) {
      append_pax(pax, "linkpath", item.link_target);
    }
    const bool has_time = !item.mtime.is_zero();
    const std::int64_t seconds = has_time ? item.mtime.unix_seconds() : 0;
    if (seconds < 0 || seconds > kSizeOctalMax) {
      append_pax(pax, "mtime", std::to_string(seconds));
    }
    if (size > kSizeOctalMax) {
      append_pax(pax, "size", std::to_string(size));
    }
    if (item.uid > kIdOctalMax) {
      append_pax(pax, "uid", std::to_string(item.uid));
    }
    if (item.gid > kIdOctalMax) {
      append_pax(pax, "gid", std::to_string(item.gid));
    }
    if (!pax.empty()) {
      TRY(pax_header(pax));
    }
    Header h{};
    put_text(h.name, name);
    put_text(h.prefix, prefix);
    put_octal(h.mode, item.mode & 07777);
    put_octal(h.uid, item.uid > kIdOctalMax ? 0 : item.uid);
    put_octal(h.gid, item.gid > kIdOctalMax ? 0 : item.gid);
    put_octal(h.size, size > kSizeOctalMax ? 0 : static_cast<std::uint64_t>(size));
    put_octal(h.mtime, seconds < 0 || seconds > kSizeOctalMax ? 0 : static_cast<std::uint64_t>(seconds));
    h.type = type;
    put_text(h.link, item.link_target);
    return put_header(h);
  }
  Status pax_header(const std::string& records) {
    Header h{};
    put_text(h.name, "PaxHeaders.0/entry");
    put_octal(h.mode, 0644);
    put_octal(h.uid, 0);
    put_octal(h.gid, 0);
    put_octal(h.size, records.size());
    put_octal(h.mtime, 0);
    h.type = 'x';
    TRY(put_header(h));
    TRY(put(as_bytes(records)));
    return pad(static_cast<std::int64_t>(records.size()));
  }

  std::unique_ptr<ByteSinkStream> sink_;
  std::optional<DeflateStream> deflate_;
  std::int64_t file_bytes_ = 0;
};

}  // namespace

std::unique_ptr<ArchiveWriter> make_tar_writer(std::unique_ptr<ByteSinkStream> sink, bool gzip) {
  return std::make_unique<TarWriter>(std::move(sink), gzip);
}

}  // namespace cairn::snapshot
