// Parts of URLs and their encoding (RFC 3986).
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"

namespace cairn::net {

struct Url {
  std::string scheme;        // "http" or "https"
  std::string authority;     // host[:port], without user information
  std::string path;          // encoded, starts with '/'
  std::string query;         // encoded, without '?'
  std::string host() const;  // without port and brackets
  std::string text() const;
};
// Errors: invalid_argument.
Result<Url> parse_url(std::string_view text);

// Everything but unreserved characters (A–Z a–z 0–9 - . _ ~) becomes %XX in upper case.
std::string percent_encode(std::string_view text);
// The same, '/' stays.
std::string percent_encode_path(std::string_view path);
// Malformed escapes stay as they are.
std::string percent_decode(std::string_view text);

}  // namespace cairn::net
