#include <optional>
#include <vector>

#include "snapshot/archive_writer.h"
#include "snapshot/deflate_stream.h"

namespace cairn::snapshot {
namespace {

constexpr std::uint32_t kLocalSignature = 0x04034b50, kDescriptorSignature = 0x08074b50, kCentralSignature = 0x02014b50,
                        kEndSignature = 0x06054b50, kEnd64Signature = 0x06064b50, kLocator64Signature = 0x07064b50;
constexpr std::uint32_t kMax32 = 0xffffffff;
constexpr std::uint16_t kMax16 = 0xffff;
constexpr std::uint16_t kStored = 0, kDeflated = 8;
constexpr std::uint16_t kFlagDescriptor = 8, kFlagUtf8 = 0x800;
constexpr std::uint16_t kVersion = 20, kVersion64 = 45;
constexpr std::uint16_t kMadeByUnix = 3 << 8;
constexpr std::uint16_t kExtraZip64 = 0x0001, kExtraTimes = 0x5455;
constexpr std::uint32_t kTypeFile = 0100000, kTypeDirectory = 0040000, kTypeLink = 0120000;
// A file of this size may not fit 32 bits once deflated: its descriptor has 64-bit fields.
constexpr std::int64_t kLargeFrom = 0xf0000000;

// All numbers are little-endian.
class LittleEndian {
 public:
  void u16(std::uint32_t v) {
    out_.push_back(static_cast<Byte>(v));
    out_.push_back(static_cast<Byte>(v >> 8));
  }
  void u32(std::uint32_t v) {
    u16(v);
    u16(v >> 16);
  }
  void u64(std::uint64_t v) {
    u32(static_cast<std::uint32_t>(v));
    u32(static_cast<std::uint32_t>(v >> 32));
  }
  void text(std::string_view s) { out_.append(s); }
  ByteView view() const { return out_.view(); }

 private:
  Buffer out_;
};

struct Record {
  std::string path;
  std::uint64_t offset = 0, size = 0, stored = 0;
  std::uint32_t crc = 0, unix_mode = 0;
  std::int64_t mtime_seconds = 0;
  std::uint16_t method = kStored;
  bool large = false;
};

struct DosTime {
  std::uint16_t date = 0x21, time = 0;  // 1980-01-01
};

DosTime dos_time(std::int64_t seconds) {
  const CivilTime c = civil_utc(Timestamp::from_seconds(seconds));
  DosTime d;
  if (c.year >= 1980 && c.year <= 2107) {
    d.date = static_cast<std::uint16_t>((c.year - 1980) << 9 | c.month << 5 | c.day);
    d.time = static_cast<std::uint16_t>(c.hour << 11 | c.minute << 5 | c.second / 2);
  }
  return d;
}

class ZipWriter final : public ArchiveWriter {
 public:
  ZipWriter(std::unique_ptr<ByteSinkStream> sink, bool deflate, bool everything)
      : sink_(std::move(sink)), deflate_(deflate), everything_(everything) {}

  Status directory(const ArchiveItem& item) override {
    return everything_ ? whole(item, kTypeDirectory, {}) : Status();
  }
  Status symlink(const ArchiveItem& item) override {
    return everything_ ? whole(item, kTypeLink, as_bytes(item.link_target)) : Status();
  }
  Status begin_file(const ArchiveItem& item) override {
    TRY(begin(item, kTypeFile, deflate_ ? kDeflated : kStored));
    if (deflate_) {
      stream_.emplace(DeflateStream::Wrapper::raw, [this](ByteView b) {
        current_.stored += b.size();
        return put(b);
      });
    }
    return {};
  }
  Status data(ByteView bytes) override {
    current_.crc = crc32_ieee(bytes, current_.crc);
    current_.size += bytes.size();
    if (stream_) {
      return stream_->write(bytes);
    }
    current_.stored += bytes.size();
    return put(bytes);
  }
  Status end_file() override {
    if (stream_) {
      TRY(stream_->finish());
      stream_.reset();
    }
    return end();
  }
  Status finish() override {
    const std::uint64_t start = offset_;
    for (const Record& r : records_) {
      TRY(central(r));
    }
    TRY(trailer(start, offset_ - start));
    return sink_->close();
  }

 private:
  Status put(ByteView bytes) {
    offset_ += bytes.size();
    return sink_->write(bytes);
  }
  Status whole(const ArchiveItem& item, std::uint32_t type, ByteView content) {
    TRY(begin(item, type, kStored));
    TRY(data(content));
    return end();
  }
  Status begin(const ArchiveItem& item, std::uint32_t type, std::uint16_t method) {
    current_ = Record{};
    current_.path = item.path;
    current_.offset = offset_;
    current_.unix_mode = type | (item.mode & 07777);
    current_.mtime_seconds = item.mtime.is_zero() ? 0 : item.mtime.unix_seconds();
    current_.method = method;
    current_.large = item.size >= kLargeFrom;
    const DosTime t = dos_time(current_.mtime_seconds);
    LittleEndian h;
    h.u32(kLocalSignature);
    h.u16(current_.large ? kVersion64 : kVersion);
    h.u16(kFlagDescriptor | kFlagUtf8);
    h.u16(method);
    h.u16(t.time);
    h.u16(t.date);
    h.u32(0);
    h.u32(current_.large ? kMax32 : 0);
    h.u32(current_.large ? kMax32 : 0);
    h.u16(static_cast<std::uint32_t>(current_.path.size()));
    h.u16(9 + (current_.large ? 20 : 0));
    h.text(current_.path);
    append_times(h);
    if (current_.large) {
      h.u16(kExtraZip64);
      h.u16(16);
      h.u64(0);
      h.u64(0);
    }
    return put(h.view());
  }
  void append_times(LittleEndian& h) const { append_times(h, current_); }
  static void append_times(LittleEndian& h, const Record& r) {
    h.u16(kExtraTimes);
    h.u16(5);
    const Byte modified_only = 1;
    h.text(as_text(ByteView(&modified_only, 1)));
    h.u32(static_cast<std::uint32_t>(r.mtime_seconds));
  }
  Status end() {
    LittleEndian d;
    d.u32(kDescriptorSignature);
    d.u32(current_.crc);
    if (current_.large) {
      d.u64(current_.stored);
      d.u64(current_.size);
    } else if (current_.stored > kMax32 || current_.size > kMax32) {
      return error(Code::internal, "zip entry {} is larger than announced", current_.path);
    } else {
      d.u32(static_cast<std::uint32_t>(current_.stored));
      d.u32(static_cast<std::uint32_t>(current_.size));
    }
    TRY(put(d.view()));
    records_.push_back(std::move(current_));
    return {};
  }
  Status central(const Record& r) {
    const bool zip64 = r.size >= kMax32 || r.stored >= kMax32 || r.offset >= kMax32;
    const DosTime t = dos_time(r.mtime_seconds);
    LittleEndian h;
    h.u32(kCentralSignature);
    h.u16(kMadeByUnix | kVersion64);
    h.u16(zip64 || r.large ? kVersion64 : kVersion);
    h.u16(kFlagDescriptor | kFlagUtf8);
    h.u16(r.method);
    h.u16(t.time);
    h.u16(t.date);
    h.u32(r.crc);
    h.u32(zip64 ? kMax32 : static_cast<std::uint32_t>(r.stored));
    h.u32(zip64 ? kMax32 : static_cast<std::uint32_t>(r.size));
    h.u16(static_cast<std::uint32_t>(r.path.size()));
    h.u16(9 + (zip64 ? 28 : 0));
    h.u16(0);  // comment
    h.u16(0);  // disk
    h.u16(0);  // internal attributes
    h.u32(r.unix_mode << 16 | ((r.unix_mode & kTypeDirectory) != 0 && r.path.ends_with('/') ? 0x10U : 0U));
    h.u32(zip64 ? kMax32 : static_cast<std::uint32_t>(r.offset));
    h.text(r.path);
    append_times(h, r);
    if (zip64) {
      h.u16(kExtraZip64);
      h.u16(24);
      h.u64(r.size);
      h.u64(r.stored);
      h.u64(r.offset);
    }
    return put(h.view());
  }
  Status trailer(std::uint64_t start, std::uint64_t size) {
    const std::uint64_t n = records_.size();
    LittleEndian h;
    const bool zip64 = n >= kMax16 || start >= kMax32 || size >= kMax32;
    if (zip64) {
      h.u32(kEnd64Signature);
      h.u64(44);
      h.u16(kMadeByUnix | kVersion64);
      h.u16(kVersion64);
      h.u32(0);
      h.u32(0);
      h.u64(n);
      h.u64(n);
      h.u64(size);
      h.u64(start);
      h.u32(kLocator64Signature);
      h.u32(0);
      h.u64(start + size);
      h.u32(1);
    }
    h.u32(kEndSignature);
    h.u16(0);
    h.u16(0);
    const auto count = zip64 ? std::uint32_t{kMax16} : static_cast<std::uint32_t>(n);
    h.u16(count);
    h.u16(count);
    h.u32(zip64 ? kMax32 : static_cast<std::uint32_t>(size));
    h.u32(zip64 ? kMax32 : static_cast<std::uint32_t>(start));
    h.u16(0);
    return put(h.view());
  }

  std::unique_ptr<ByteSinkStream> sink_;
  const bool deflate_, everything_;
  std::uint64_t offset_ = 0;
  Record current_;
  std::optional<DeflateStream> stream_;
  std::vector<Record> records_;
};

}  // namespace

std::unique_ptr<ArchiveWriter> make_zip_writer(std::unique_ptr<ByteSinkStream> sink, bool deflate, bool everything) {
  return std::make_unique<ZipWriter>(std::move(sink), deflate, everything);
}

}  // namespace cairn::snapshot
