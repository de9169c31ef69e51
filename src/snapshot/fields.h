// Strict reading of typed fields from JSON objects, and the timestamp form of snapshot documents (kopia-model §0.1,
// 0.2). Internal to this folder.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/time.h"

namespace cairn::snapshot {

// Nanoseconds since the epoch as RFC 3339 in UTC. Timestamp::zero() becomes what Go's unset time overflows to,
// 1754-08-30T22:43:41.128654848Z.
void append_stored_time(std::string& out, Timestamp t);
std::string stored_time(Timestamp t);
// Any offset. Times outside the 64-bit range wrap as in Go. Errors: corrupt.
Result<Timestamp> parse_stored_time(std::string_view text);

// "0" + octal of Go's mode bits; reading takes any of Go's integer literals. Errors: corrupt.
void append_stored_mode(std::string& out, std::uint32_t posix_mode);
Result<std::uint32_t> parse_stored_mode(std::string_view text);

void append_int(std::string& out, std::int64_t v);

Status wrong_type(std::string_view key, std::string_view wanted);

// read_field: an absent or null member leaves `out` alone; a member of another type is corrupt.
Status read_field(const Json& object, std::string_view key, std::string& out);
Status read_field(const Json& object, std::string_view key, bool& out);
Status read_field(const Json& object, std::string_view key, std::int64_t& out);
Status read_field(const Json& object, std::string_view key, std::uint32_t& out);
Status read_field(const Json& object, std::string_view key, Timestamp& out);
Status read_field(const Json& object, std::string_view key, std::vector<std::string>& out);

template <class T>
Status read_field(const Json& object, std::string_view key, std::optional<T>& out) {
  const Json& value = object[key];
  if (value.is_null()) {
    return {};
  }
  T v{};
  TRY(read_field(object, key, v));
  out = std::move(v);
  return {};
}

}  // namespace cairn::snapshot
