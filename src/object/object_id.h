// Object ids: contents, and levels of indirection over them. docs/format/objects.md (kopia-model §1.1)
#pragma once

#include <string>
#include <string_view>

#include "base/ids.h"

namespace cairn::object {

struct ObjectId {
  ContentId content;
  std::uint8_t indirection = 0;  // number of leading 'I'
  bool compressed = false;       // 'Z': object-level compression (index v1)

  static ObjectId direct(const ContentId& c) { return {c, 0, false}; }
  // Errors: invalid_argument. The empty text and "I" alone are refused.
  static Result<ObjectId> parse(std::string_view text);
  std::string text() const;
  void append_text(std::string& out) const;
  bool empty() const { return content.empty(); }
  // "Is a directory object id": the content prefix under the I's is k.
  bool is_directory() const { return content.prefix == 'k'; }
  bool operator==(const ObjectId&) const = default;
  friend auto operator<=>(const ObjectId& a, const ObjectId& b) {
    if (auto c = a.indirection <=> b.indirection; c != 0)
      return c;
    if (auto c = a.compressed <=> b.compressed; c != 0)
      return c;
    return a.content <=> b.content;
  }
};

}  // namespace cairn::object

template <>
struct std::hash<cairn::object::ObjectId> {
  std::size_t operator()(const cairn::object::ObjectId& o) const noexcept {
    return o.content.hash_code() * 31 + o.indirection * 2U + (o.compressed ? 1U : 0U);
  }
};
