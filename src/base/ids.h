// Identifiers shared by the layers: blob ids and content ids. docs/format/blobs.md, docs/format/hashes.md
#pragma once

#include <array>
#include <compare>
#include <cstring>
#include <functional>
#include <string>

#include "base/bytes.h"

namespace cairn {

// Name of an immutable blob in storage; printable ASCII without '/'. A distinct type so that it cannot be swapped with
// other texts.
struct BlobId {
  std::string text;
  BlobId() = default;
  explicit BlobId(std::string t) : text(std::move(t)) {}
  explicit BlobId(std::string_view t) : text(t) {}
  explicit BlobId(const char* t) : text(t) {}
  bool empty() const { return text.empty(); }
  bool starts_with(std::string_view prefix) const { return text.starts_with(prefix); }
  auto operator<=>(const BlobId&) const = default;
};

inline constexpr std::size_t kHashSizeMax = 32;

// Output of the repository's keyed hash: 16, 28 or 32 bytes.
struct HashValue {
  std::array<Byte, kHashSizeMax> bytes{};
  std::uint8_t size = 0;
  ByteView view() const { return {bytes.data(), size}; }
};

// Optional one-letter prefix ('g'…'z', 0 = none) and hash. 34 bytes, no heap. Order is that of the binary form
// (prefix byte, then hash bytes), which equals the order of the text form.
struct ContentId {
  Byte prefix = 0;
  std::uint8_t size = 0;  // hash bytes; 0 = the empty id
  std::array<Byte, kHashSizeMax> hash{};

  static ContentId make(char prefix, const HashValue& h) {
    ContentId id;
    id.prefix = static_cast<Byte>(prefix);
    id.size = h.size;
    std::memcpy(id.hash.data(), h.bytes.data(), h.size);
    return id;
  }
  // Text form: [prefix] hex. Errors: invalid_argument.
  static Result<ContentId> parse(std::string_view text);
  std::string text() const;
  void append_text(std::string& out) const;
  bool empty() const { return size == 0; }
  bool has_prefix() const { return prefix != 0; }
  ByteView hash_view() const { return {hash.data(), size}; }
  // iv of the content's encryption: the last 16 bytes of its hash.
  ByteView iv() const { return size > 16 ? ByteView{hash.data() + size - 16, 16} : hash_view(); }

  friend bool operator==(const ContentId& a, const ContentId& b) {
    return a.prefix == b.prefix && a.size == b.size && std::memcmp(a.hash.data(), b.hash.data(), a.size) == 0;
  }
  friend std::strong_ordering operator<=>(const ContentId& a, const ContentId& b) {
    if (a.prefix != b.prefix) {
      return a.prefix <=> b.prefix;
    }
    const int c = std::memcmp(a.hash.data(), b.hash.data(), std::min(a.size, b.size));
    return c != 0 ? c <=> 0 : a.size <=> b.size;
  }
  // Hashes are uniform already: the first 8 bytes mixed with the prefix.
  std::size_t hash_code() const {
    std::uint64_t v;
    std::memcpy(&v, hash.data(), sizeof v);
    return v ^ (static_cast<std::uint64_t>(prefix) * 0x9e3779b97f4a7c15ULL);
  }
};

}  // namespace cairn

template <>
struct std::hash<cairn::ContentId> {
  std::size_t operator()(const cairn::ContentId& id) const noexcept { return id.hash_code(); }
};
template <>
struct std::hash<cairn::BlobId> {
  std::size_t operator()(const cairn::BlobId& id) const noexcept { return std::hash<std::string>()(id.text); }
};
