#include "net/url.h"

#include "base/units.h"

namespace cairn::net {
namespace {

bool unreserved(unsigned char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
         c == '_' || c == '~';
}

std::string encode(std::string_view text, bool keep_slash) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  out.reserve(text.size());
  for (const char each : text) {
    const auto c = static_cast<unsigned char>(each);
    if (unreserved(c) || (keep_slash && c == '/')) {
      out += each;
    } else {
      out += '%';
      out += kHex[c >> 4];
      out += kHex[c & 15];
    }
  }
  return out;
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

}  // namespace

std::string Url::host() const {
  if (authority.starts_with('[')) {
    return authority.substr(1, authority.find(']') - 1);
  }
  return authority.substr(0, authority.find(':'));
}

std::string Url::text() const { return scheme + "://" + authority + path + (query.empty() ? "" : "?" + query); }

Result<Url> parse_url(std::string_view text) {
  Url url;
  const std::size_t colon = text.find("://");
  if (colon == std::string_view::npos) {
    return error(Code::invalid_argument, "URL {} has no scheme", text);
  }
  url.scheme = to_lower(text.substr(0, colon));
  if (url.scheme != "http" && url.scheme != "https") {
    return error(Code::invalid_argument, "URL scheme {} is neither http nor https", url.scheme);
  }
  text.remove_prefix(colon + 3);
  text = text.substr(0, text.find('#'));
  std::string_view authority = text.substr(0, text.find_first_of("/?"));
  text.remove_prefix(authority.size());
  if (const std::size_t at = authority.rfind('@'); at != std::string_view::npos) {
    authority.remove_prefix(at + 1);
  }
  url.authority = authority;
  if (url.host().empty()) {
    return error(Code::invalid_argument, "URL has no host");
  }
  const std::size_t question = text.find('?');
  url.path = text.substr(0, question);
  if (url.path.empty()) {
    url.path = "/";
  }
  if (question != std::string_view::npos) {
    url.query = text.substr(question + 1);
  }
  return url;
}

std::string percent_encode(std::string_view text) { return encode(text, false); }
std::string percent_encode_path(std::string_view path) { return encode(path, true); }

std::string percent_decode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool escape =
        text[i] == '%' && i + 2 < text.size() && hex_value(text[i + 1]) >= 0 && hex_value(text[i + 2]) >= 0;
    if (escape) {
      out += static_cast<char>(hex_value(text[i + 1]) << 4 | hex_value(text[i + 2]));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

}  // namespace cairn::net
