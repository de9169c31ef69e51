#include "snapshot/json_cursor.h"

#include <array>
#include <charconv>
#include <limits>

namespace cairn::snapshot {
namespace {

constexpr int kDepthMax = 512;
constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

// 0 plain, 1 ends a fast scan (quote, backslash, control character, not ASCII).
constexpr std::array<bool, 256> kSpecial = [] {
  std::array<bool, 256> t{};
  for (std::size_t c = 0; c < 256; ++c) {
    t[c] = c < 0x20 || c == '"' || c == '\\' || c >= 0x80;
  }
  return t;
}();

// Length of the valid UTF-8 sequence at s[0], 0 if there is none.
std::size_t utf8_length(std::string_view s) {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(s[i]); };
  const unsigned c = at(0);
  const std::size_t n = c < 0x80 ? 1 : c < 0xC2 ? 0 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : c < 0xF5 ? 4 : 0;
  if (n == 0 || s.size() < n) {
    return 0;
  }
  for (std::size_t i = 1; i < n; ++i) {
    if ((at(i) & 0xC0) != 0x80) {
      return 0;
    }
  }
  if ((c == 0xE0 && at(1) < 0xA0) || (c == 0xED && at(1) > 0x9F) || (c == 0xF0 && at(1) < 0x90) ||
      (c == 0xF4 && at(1) > 0x8F)) {
    return 0;
  }
  return n;
}

void append_utf8(std::string& out, std::uint32_t c) {
  const auto put = [&](std::uint32_t b) { out.push_back(static_cast<char>(b)); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xC0 | c >> 6);
    put(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    put(0xE0 | c >> 12);
    put(0x80 | (c >> 6 & 0x3F));
    put(0x80 | (c & 0x3F));
  } else {
    put(0xF0 | c >> 18);
    put(0x80 | (c >> 12 & 0x3F));
    put(0x80 | (c >> 6 & 0x3F));
    put(0x80 | (c & 0x3F));
  }
}

// The four digits after "\u" at raw[i]; -1 if they are not there.
int hex4(std::string_view raw, std::size_t i) {
  if (i + 4 > raw.size()) {
    return -1;
  }
  std::uint32_t v = 0;
  const auto r = std::from_chars(raw.data() + i, raw.data() + i + 4, v, 16);
  return r.ec == std::errc() && r.ptr == raw.data() + i + 4 ? static_cast<int>(v) : -1;
}

// Appends what "\uXXXX" at raw[i] (the position after 'u') means; returns the characters used, 0 on error. Surrogates
// without a partner become U+FFFD.
std::size_t decode_unicode(std::string_view raw, std::size_t i, std::string& out) {
  const int high = hex4(raw, i);
  if (high < 0) {
    return 0;
  }
  if (high < 0xD800 || high > 0xDFFF) {
    append_utf8(out, static_cast<std::uint32_t>(high));
    return 4;
  }
  if (high < 0xDC00 && i + 6 <= raw.size() && raw[i + 4] == '\\' && raw[i + 5] == 'u') {
    const int low = hex4(raw, i + 6);
    if (low >= 0xDC00 && low <= 0xDFFF) {
      append_utf8(out, 0x10000 + ((static_cast<std::uint32_t>(high) - 0xD800) << 10) + static_cast<std::uint32_t>(low) -
                           0xDC00);
      return 10;
    }
  }
  out.append(kReplacement);
  return 4;
}

}  // namespace

bool JsonCursor::string(std::string_view& out, std::string& scratch) {
  if (!expect('"')) {
    return false;
  }
  const char* start = p_;
  bool plain = true;
  while (true) {
    while (p_ != end_ && !kSpecial[static_cast<unsigned char>(*p_)]) {
      ++p_;
    }
    if (p_ == end_) {
      starve();
      return false;
    }
    if (*p_ == '"') {
      break;
    }
    if (static_cast<unsigned char>(*p_) < 0x20) {
      return fail("control character in a text");
    }
    plain = false;
    if (*p_ == '\\' && ++p_ == end_) {
      starve();
      return false;
    }
    ++p_;
  }
  const std::string_view raw(start, static_cast<std::size_t>(p_ - start));
  ++p_;
  if (plain) {
    out = raw;
    return true;
  }
  if (!decode(raw, scratch)) {
    return false;
  }
  out = scratch;
  return true;
}

bool JsonCursor::decode(std::string_view raw, std::string& out) {
  out.clear();
  for (std::size_t i = 0; i < raw.size();) {
    const char c = raw[i];
    if (c != '\\') {
      const std::size_t n = utf8_length(raw.substr(i));
      if (n == 0) {
        out.append(kReplacement);
        ++i;
      } else {
        out.append(raw, i, n);
        i += n;
      }
      continue;
    }
    static constexpr std::string_view kFrom = "\"\\/bfnrt";
    static constexpr std::string_view kTo = "\"\\/\b\f\n\r\t";
    const char e = raw[i + 1];
    if (const std::size_t k = kFrom.find(e); k != std::string_view::npos) {
      out.push_back(kTo[k]);
      i += 2;
      continue;
    }
    const std::size_t used = e == 'u' ? decode_unicode(raw, i + 2, out) : 0;
    if (used == 0) {
      return fail("invalid escape in a text");
    }
    i += 2 + used;
  }
  return true;
}

bool JsonCursor::integer(std::int64_t& out) {
  peek();
  const char* start = p_;
  while (p_ != end_ &&
         ((*p_ >= '0' && *p_ <= '9') || *p_ == '-' || *p_ == '+' || *p_ == '.' || *p_ == 'e' || *p_ == 'E')) {
    ++p_;
  }
  if (p_ == end_) {
    starve();
    return false;
  }
  const auto r = std::from_chars(start, p_, out);
  const char* digits = start != p_ && *start == '-' ? start + 1 : start;
  const bool leading_zero = p_ - digits > 1 && *digits == '0';
  return (start != p_ && r.ec == std::errc() && r.ptr == p_ && !leading_zero) || fail("not an integer");
}

bool JsonCursor::literal(std::string_view word) {
  peek();
  for (const char c : word) {
    if (p_ == end_) {
      starve();
      return false;
    }
    if (*p_++ != c) {
      return fail("unknown literal");
    }
  }
  return true;
}

bool JsonCursor::skip(int depth) {
  if (depth > kDepthMax) {
    return fail("nested too deeply");
  }
  std::string_view text;
  std::string scratch;
  switch (const char c = peek()) {
    case '"':
      return string(text, scratch);
    case 't':
      return literal("true");
    case 'f':
      return literal("false");
    case 'n':
      return literal("null");
    case '[':
    case '{': {
      ++p_;
      const char close = c == '[' ? ']' : '}';
      if (accept(close)) {
        return true;
      }
      do {
        if (c == '{' && (!string(text, scratch) || !expect(':'))) {
          return false;
        }
        if (!skip(depth + 1)) {
          return false;
        }
      } while (accept(','));
      return expect(close);
    }
    default:
      break;
  }
  const char* start = p_;
  while (p_ != end_ &&
         ((*p_ >= '0' && *p_ <= '9') || *p_ == '-' || *p_ == '+' || *p_ == '.' || *p_ == 'e' || *p_ == 'E')) {
    ++p_;
  }
  if (p_ == end_) {
    starve();
    return false;
  }
  return start != p_ || fail("unexpected character");
}

}  // namespace cairn::snapshot
