#include "snapshot/fields.h"

#include <charconv>

namespace cairn::snapshot {
namespace {

// The integer that Go's zero time.Time gives as UnixNano.
constexpr Timestamp kGoUnset{-6795364578871345152};

constexpr std::uint32_t kGoSetuid = 1U << 23;
constexpr std::uint32_t kGoSetgid = 1U << 22;
constexpr std::uint32_t kGoSticky = 1U << 20;

bool digits(std::string_view s, std::size_t at, std::size_t n, int& v) {
  if (at + n > s.size()) {
    return false;
  }
  v = 0;
  for (std::size_t i = at; i < at + n; ++i) {
    if (s[i] < '0' || s[i] > '9') {
      return false;
    }
    v = v * 10 + (s[i] - '0');
  }
  return true;
}

std::int64_t days_from_civil(std::int64_t y, int m, int d) {
  y -= m <= 2;
  const std::int64_t era = (y >= 0 ? y : y - 399) / 400;
  const std::int64_t yoe = y - era * 400;
  const std::int64_t doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
  return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

bool valid_date(int year, int month, int day) {
  static constexpr int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
  return month >= 1 && month <= 12 && day >= 1 && day <= kDays[month - 1] + (month == 2 && leap ? 1 : 0);
}

// The fraction and the zone that end an RFC 3339 text.
bool parse_time_tail(std::string_view s, std::int64_t& nanos, int& offset_seconds) {
  std::size_t i = 19;
  nanos = 0;
  offset_seconds = 0;
  if (s[i] == '.' || s[i] == ',') {
    const std::size_t start = ++i;
    std::int64_t scale = 100'000'000;
    for (; i < s.size() && s[i] >= '0' && s[i] <= '9'; ++i) {
      nanos += (s[i] - '0') * scale;
      scale /= 10;
    }
    if (i == start) {
      return false;
    }
  }
  if (i + 1 == s.size() && s[i] == 'Z') {
    return true;
  }
  int hours = 0;
  int mins = 0;
  if (i + 6 != s.size() || (s[i] != '+' && s[i] != '-') || !digits(s, i + 1, 2, hours) || s[i + 3] != ':' ||
      !digits(s, i + 4, 2, mins) || hours > 24 || mins > 60) {
    return false;
  }
  offset_seconds = (hours * 3600 + mins * 60) * (s[i] == '-' ? -1 : 1);
  return true;
}

}  // namespace

void append_stored_time(std::string& out, Timestamp t) { append_rfc3339(out, t.is_zero() ? kGoUnset : t); }

std::string stored_time(Timestamp t) {
  std::string out;
  append_stored_time(out, t);
  return out;
}

Result<Timestamp> parse_stored_time(std::string_view s) {
  int year = 0;
  int month = 0;
  int day = 0;
  int hour = 0;
  int minute = 0;
  int second = 0;
  std::int64_t nanos = 0;
  int offset = 0;
  if (s.size() < 20 || !digits(s, 0, 4, year) || s[4] != '-' || !digits(s, 5, 2, month) || s[7] != '-' ||
      !digits(s, 8, 2, day) || s[10] != 'T' || !digits(s, 11, 2, hour) || s[13] != ':' || !digits(s, 14, 2, minute) ||
      s[16] != ':' || !digits(s, 17, 2, second) || !valid_date(year, month, day) || hour > 23 || minute > 59 ||
      second > 59 || !parse_time_tail(s, nanos, offset)) {
    return error(Code::corrupt, "invalid time \"{}\"", s.substr(0, 64));
  }
  const std::int64_t secs = days_from_civil(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - offset;
  const std::uint64_t wrapped = static_cast<std::uint64_t>(secs) * 1'000'000'000ULL + static_cast<std::uint64_t>(nanos);
  return Timestamp{static_cast<std::int64_t>(wrapped)};
}

void append_int(std::string& out, std::int64_t v) {
  char buf[24];
  const auto r = std::to_chars(buf, buf + sizeof buf, v);
  out.append(buf, r.ptr);
}

void append_stored_mode(std::string& out, std::uint32_t m) {
  const std::uint32_t go = (m & 0777) | ((m & 04000) != 0 ? kGoSetuid : 0) | ((m & 02000) != 0 ? kGoSetgid : 0) |
                           ((m & 01000) != 0 ? kGoSticky : 0);
  char buf[16];
  const auto r = std::to_chars(buf, buf + sizeof buf, go, 8);
  out.push_back('0');
  out.append(buf, r.ptr);
}

Result<std::uint32_t> parse_stored_mode(std::string_view text) {
  std::string_view s = text;
  int base = 10;
  if (s.starts_with("0x") || s.starts_with("0X")) {
    base = 16;
    s.remove_prefix(2);
  } else if (s.starts_with("0o") || s.starts_with("0O")) {
    base = 8;
    s.remove_prefix(2);
  } else if (s.starts_with("0b") || s.starts_with("0B")) {
    base = 2;
    s.remove_prefix(2);
  } else if (s.size() > 1 && s[0] == '0') {
    base = 8;
    s.remove_prefix(1);
  }
  std::uint32_t go = 0;
  const auto r = std::from_chars(s.data(), s.data() + s.size(), go, base);
  if (s.empty() || r.ec != std::errc() || r.ptr != s.data() + s.size() || go > 0x7fffffffU) {
    return error(Code::corrupt, "invalid mode \"{}\"", text.substr(0, 64));
  }
  return (go & 0777) | ((go & kGoSetuid) != 0 ? 04000U : 0U) | ((go & kGoSetgid) != 0 ? 02000U : 0U) |
         ((go & kGoSticky) != 0 ? 01000U : 0U);
}

Status wrong_type(std::string_view key, std::string_view wanted) {
  return error(Code::corrupt, "field \"{}\" is not {}", key, wanted);
}

Status read_field(const Json& object, std::string_view key, std::string& out) {
  const Json& v = object[key];
  if (v.is_null()) {
    return {};
  }
  if (!v.is_string()) {
    return wrong_type(key, "a text");
  }
  out = v.as_string();
  return {};
}

Status read_field(const Json& object, std::string_view key, bool& out) {
  const Json& v = object[key];
  if (v.is_null()) {
    return {};
  }
  if (!v.is_bool()) {
    return wrong_type(key, "true or false");
  }
  out = v.as_bool();
  return {};
}

Status read_field(const Json& object, std::string_view key, std::int64_t& out) {
  const Json& v = object[key];
  if (v.is_null()) {
    return {};
  }
  if (!v.is_int()) {
    return wrong_type(key, "an integer");
  }
  out = v.as_int();
  return {};
}

Status read_field(const Json& object, std::string_view key, std::uint32_t& out) {
  std::int64_t wide = out;
  TRY(read_field(object, key, wide));
  if (wide < 0 || wide > std::numeric_limits<std::uint32_t>::max()) {
    return wrong_type(key, "a 32-bit unsigned integer");
  }
  out = static_cast<std::uint32_t>(wide);
  return {};
}

Status read_field(const Json& object, std::string_view key, Timestamp& out) {
  const Json& v = object[key];
  if (v.is_null()) {
    return {};
  }
  if (!v.is_string()) {
    return wrong_type(key, "a time");
  }
  TRY_ASSIGN(out, parse_stored_time(v.as_string()), "field \"{}\"", key);
  return {};
}

Status read_field(const Json& object, std::string_view key, std::vector<std::string>& out) {
  const Json& v = object[key];
  if (v.is_null()) {
    return {};
  }
  if (!v.is_array()) {
    return wrong_type(key, "a list");
  }
  out.clear();
  out.reserve(v.size());
  for (const Json& item : v.items()) {
    if (!item.is_string()) {
      return wrong_type(key, "a list of texts");
    }
    out.push_back(item.as_string());
  }
  return {};
}

}  // namespace cairn::snapshot
