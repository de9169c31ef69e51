// Bytes of SFTP packets: numbers big-endian, strings with a length of four bytes in front.
#pragma once

#include <optional>

#include "base/bytes.h"
#include "base/time.h"

namespace cairn::blob::sftp {

enum Type : Byte {
  kInit = 1,
  kVersion = 2,
  kOpen = 3,
  kClose = 4,
  kRead = 5,
  kWrite = 6,
  kFstat = 8,
  kFsetstat = 10,
  kOpendir = 11,
  kReaddir = 12,
  kRemove = 13,
  kMkdir = 14,
  kStat = 17,
  kRename = 18,
  kStatus = 101,
  kHandle = 102,
  kData = 103,
  kName = 104,
  kAttributes = 105,
  kExtended = 200,
  kExtendedReply = 201,
};
enum OpenFlag : std::uint32_t { kForRead = 1, kForWrite = 2, kCreate = 8, kExclusive = 32 };
enum StatusCode : std::uint32_t {
  kOk = 0,
  kEof = 1,
  kNoSuchFile = 2,
  kPermissionDenied = 3,
  kFailure = 4,
  kNoConnection = 6,
  kConnectionLost = 7,
  kUnsupported = 8,
};
enum AttributeFlag : std::uint32_t {
  kHasSize = 1,
  kHasOwner = 2,
  kHasMode = 4,
  kHasTimes = 8,
  kHasExtended = 0x80000000,
};

// Length (filled in when sent), type, id, then what is added.
class PacketWriter {
 public:
  explicit PacketWriter(Type type) : bytes_(9) { bytes_[4] = type; }
  PacketWriter& u32(std::uint32_t v) {
    Byte raw[4];
    store_be32(raw, v);
    bytes_.append(ByteView(raw));
    return *this;
  }
  PacketWriter& u64(std::uint64_t v) {
    Byte raw[8];
    store_be64(raw, v);
    bytes_.append(ByteView(raw));
    return *this;
  }
  PacketWriter& text(std::string_view s) { return u32(static_cast<std::uint32_t>(s.size())).raw(as_bytes(s)); }
  PacketWriter& raw(ByteView bytes) {
    bytes_.append(bytes);
    return *this;
  }
  ByteView finish(std::uint32_t id) {
    store_be32(bytes_.data(), static_cast<std::uint32_t>(bytes_.size() - 4));
    store_be32(bytes_.data() + 5, id);
    return bytes_;
  }

 private:
  Buffer bytes_;
};

// Reads past the end give zeros and make ok() false.
class PacketReader {
 public:
  explicit PacketReader(ByteView bytes) : rest_(bytes) {}
  std::uint32_t u32() { return take(4) ? load_be32(taken_.data()) : 0; }
  std::uint64_t u64() { return take(8) ? load_be64(taken_.data()) : 0; }
  ByteView text() {
    const std::uint32_t size = u32();
    return take(size) ? taken_ : ByteView();
  }
  bool ok() const { return ok_; }
  bool at_end() const { return rest_.empty(); }

 private:
  bool take(std::size_t n) {
    if (n > rest_.size()) {
      ok_ = false;
      rest_ = {};
      return false;
    }
    taken_ = rest_.first(n);
    rest_ = rest_.subspan(n);
    return true;
  }
  ByteView rest_, taken_;
  bool ok_ = true;
};

struct Attributes {
  std::int64_t size = 0;
  std::uint32_t mode = 0;
  Timestamp mtime;
  bool is_directory() const { return (mode & 0170000) == 0040000; }
  bool is_regular() const { return (mode & 0170000) == 0100000 || mode == 0; }
};
inline Attributes read_attributes(PacketReader& in) {
  Attributes out;
  const std::uint32_t flags = in.u32();
  if ((flags & kHasSize) != 0) {
    out.size = static_cast<std::int64_t>(in.u64() & ~(std::uint64_t{1} << 63));
  }
  if ((flags & kHasOwner) != 0) {
    in.u64();
  }
  if ((flags & kHasMode) != 0) {
    out.mode = in.u32();
  }
  if ((flags & kHasTimes) != 0) {
    in.u32();
    out.mtime = Timestamp::from_seconds(in.u32());
  }
  if ((flags & kHasExtended) != 0) {
    for (std::uint32_t n = in.u32(); n > 0 && in.ok(); --n) {
      in.text();
      in.text();
    }
  }
  return out;
}

}  // namespace cairn::blob::sftp
