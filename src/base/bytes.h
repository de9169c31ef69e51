// Byte buffers and encodings. A ByteView borrows for the call only and is never stored.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace cairn {

using Byte = std::uint8_t;
using Bytes = std::vector<Byte>;
using ByteView = std::span<const Byte>;
using MutByteView = std::span<Byte>;
// Borrowed list of fragments, the unit of upload.
using GatherView = std::span<const ByteView>;

inline ByteView as_bytes(std::string_view s) { return {reinterpret_cast<const Byte*>(s.data()), s.size()}; }
inline std::string_view as_text(ByteView b) { return {reinterpret_cast<const char*>(b.data()), b.size()}; }
std::size_t gather_size(GatherView parts);

// Unique owner of bytes whose growth does not initialise memory. Move only.
class Buffer {
 public:
  Buffer() noexcept = default;
  explicit Buffer(std::size_t size) { resize(size); }
  static Buffer copy_of(ByteView bytes);
  static Buffer copy_of(std::string_view text) { return copy_of(as_bytes(text)); }
  Buffer(Buffer&& o) noexcept : data_(o.data_), size_(o.size_), capacity_(o.capacity_) { o.release(); }
  Buffer& operator=(Buffer&& o) noexcept;
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer();

  Byte* data() noexcept { return data_; }
  const Byte* data() const noexcept { return data_; }
  std::size_t size() const noexcept { return size_; }
  std::size_t capacity() const noexcept { return capacity_; }
  bool empty() const noexcept { return size_ == 0; }
  void clear() noexcept { size_ = 0; }
  void reserve(std::size_t capacity);
  void resize(std::size_t size);  // new bytes are indeterminate
  void append(ByteView bytes);
  void append(std::string_view text) { append(as_bytes(text)); }
  void push_back(Byte b) {
    if (size_ == capacity_) {
      reserve(capacity_ < 64 ? 64 : capacity_ * 2);
    }
    data_[size_++] = b;
  }
  Byte& operator[](std::size_t i) { return data_[i]; }
  Byte operator[](std::size_t i) const { return data_[i]; }
  ByteView view() const noexcept { return {data_, size_}; }
  MutByteView mut() noexcept { return {data_, size_}; }
  std::string_view text() const noexcept { return as_text(view()); }
  operator ByteView() const noexcept { return view(); }  // NOLINT: a buffer is a view of its bytes

 private:
  void release() noexcept {
    data_ = nullptr;
    size_ = capacity_ = 0;
  }
  Byte* data_ = nullptr;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

// Key material: wiped when destroyed, not copyable by accident, no formatter.
class SecretBytes {
 public:
  SecretBytes() = default;
  explicit SecretBytes(ByteView bytes) : bytes_(bytes.begin(), bytes.end()) {}
  explicit SecretBytes(std::size_t size) : bytes_(size) {}
  SecretBytes(SecretBytes&& o) noexcept : bytes_(std::move(o.bytes_)) { o.bytes_.clear(); }
  SecretBytes& operator=(SecretBytes&& o) noexcept;
  SecretBytes(const SecretBytes&) = delete;
  SecretBytes& operator=(const SecretBytes&) = delete;
  ~SecretBytes() { wipe(); }
  SecretBytes clone() const { return SecretBytes(view()); }
  ByteView view() const noexcept { return bytes_; }
  MutByteView mut() noexcept { return bytes_; }
  std::size_t size() const noexcept { return bytes_.size(); }
  bool empty() const noexcept { return bytes_.empty(); }

 private:
  void wipe() noexcept;
  std::vector<Byte> bytes_;
};
void wipe(std::string& text) noexcept;

// Hex is written in lower case and read in either.
std::string hex_encode(ByteView bytes);
Result<Bytes> hex_decode(std::string_view text);
// Without a heap allocation: `out` has half the size of the text.
Status hex_decode_into(std::string_view text, MutByteView out);
// RFC 4648. `base64` has padding; `base64url_raw` is URL-safe without padding.
std::string base64_encode(ByteView bytes);
Result<Bytes> base64_decode(std::string_view text);
std::string base64url_raw_encode(ByteView bytes);
Result<Bytes> base64url_raw_decode(std::string_view text);

// Integers on disk are big-endian unless the name says otherwise.
inline std::uint16_t load_be16(const Byte* p) { return static_cast<std::uint16_t>(p[0] << 8 | p[1]); }
inline std::uint32_t load_be24(const Byte* p) {
  return static_cast<std::uint32_t>(p[0]) << 16 | static_cast<std::uint32_t>(p[1]) << 8 | p[2];
}
inline std::uint32_t load_be32(const Byte* p) {
  return static_cast<std::uint32_t>(p[0]) << 24 | static_cast<std::uint32_t>(p[1]) << 16 |
         static_cast<std::uint32_t>(p[2]) << 8 | p[3];
}
inline std::uint64_t load_be64(const Byte* p) {
  return static_cast<std::uint64_t>(load_be32(p)) << 32 | load_be32(p + 4);
}
inline std::uint16_t load_le16(const Byte* p) { return static_cast<std::uint16_t>(p[1] << 8 | p[0]); }
inline std::uint32_t load_le32(const Byte* p) {
  return static_cast<std::uint32_t>(p[3]) << 24 | static_cast<std::uint32_t>(p[2]) << 16 |
         static_cast<std::uint32_t>(p[1]) << 8 | p[0];
}
inline std::uint64_t load_le64(const Byte* p) {
  return static_cast<std::uint64_t>(load_le32(p + 4)) << 32 | load_le32(p);
}
inline void store_be16(Byte* p, std::uint32_t v) {
  p[0] = static_cast<Byte>(v >> 8);
  p[1] = static_cast<Byte>(v);
}
inline void store_be24(Byte* p, std::uint32_t v) {
  p[0] = static_cast<Byte>(v >> 16);
  p[1] = static_cast<Byte>(v >> 8);
  p[2] = static_cast<Byte>(v);
}
inline void store_be32(Byte* p, std::uint32_t v) {
  store_be16(p, v >> 16);
  store_be16(p + 2, v & 0xffff);
}
inline void store_be64(Byte* p, std::uint64_t v) {
  store_be32(p, static_cast<std::uint32_t>(v >> 32));
  store_be32(p + 4, static_cast<std::uint32_t>(v));
}
inline void store_le16(Byte* p, std::uint32_t v) {
  p[0] = static_cast<Byte>(v);
  p[1] = static_cast<Byte>(v >> 8);
}
// LEB128 as used by protobuf. Reads at most 10 bytes; advances `in`. Errors: corrupt.
void append_uvarint(Buffer& out, std::uint64_t v);
Result<std::uint64_t> read_uvarint(ByteView& in);

// IEEE 802.3 CRC-32 (zlib's).
std::uint32_t crc32_ieee(ByteView bytes, std::uint32_t seed = 0);

}  // namespace cairn
