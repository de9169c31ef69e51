#include "base/time.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <ctime>

namespace cairn {
namespace {

constexpr std::int64_t kNs = 1'000'000'000;

// Days since 1970-01-01 of a proleptic Gregorian date; month may be out of range.
std::int64_t days_from_civil(std::int64_t y, std::int64_t m, std::int64_t d) {
  y += (m - 1) / 12;
  m = (m - 1) % 12 + 1;
  if (m <= 0) {
    m += 12;
    --y;
  }
  y -= m <= 2;
  const std::int64_t era = (y >= 0 ? y : y - 399) / 400;
  const auto yoe = y - era * 400;
  const auto doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
  const auto doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
  return era * 146097 + doe - 719468;
}

void civil_from_days(std::int64_t z, CivilTime& c) {
  z += 719468;
  const std::int64_t era = (z >= 0 ? z : z - 146096) / 146097;
  const std::int64_t doe = z - era * 146097;
  const std::int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
  const std::int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
  const std::int64_t mp = (5 * doy + 2) / 153;
  c.day = static_cast<int>(doy - (153 * mp + 2) / 5 + 1);
  c.month = static_cast<int>(mp + (mp < 10 ? 3 : -9));
  c.year = static_cast<int>(yoe + era * 400 + (c.month <= 2 ? 1 : 0));
}

void fill_civil(std::int64_t secs, std::int64_t nanos, CivilTime& c) {
  std::int64_t days = secs / 86400;
  std::int64_t rest = secs % 86400;
  if (rest < 0) {
    rest += 86400;
    --days;
  }
  civil_from_days(days, c);
  c.hour = static_cast<int>(rest / 3600);
  c.minute = static_cast<int>(rest / 60 % 60);
  c.second = static_cast<int>(rest % 60);
  c.nanosecond = static_cast<int>(nanos);
  c.weekday = static_cast<int>(((days + 4) % 7 + 7) % 7);
}

class SystemClock : public Clock {
 public:
  Timestamp now() const override {
    timespec ts{};
    clock_gettime(CLOCK_REALTIME, &ts);
    return {ts.tv_sec * kNs + ts.tv_nsec};
  }
};

}  // namespace

const Clock& system_clock() {
  static const SystemClock kClock;
  return kClock;
}

std::int64_t monotonic_ns() {
  timespec ts{};
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return ts.tv_sec * kNs + ts.tv_nsec;
}

CivilTime civil_utc(Timestamp t) {
  CivilTime c;
  c.abbreviation = "UTC";
  if (t.is_zero()) {
    c.year = 1;
    c.weekday = 1;
    return c;
  }
  const std::int64_t s = t.unix_seconds();
  fill_civil(s, t.sub_second_ns(), c);
  return c;
}

CivilTime civil_local(Timestamp t) {
  if (t.is_zero()) {
    return civil_utc(t);
  }
  const std::int64_t s = t.unix_seconds();
  std::time_t tt = s;
  std::tm tm{};
  localtime_r(&tt, &tm);
  CivilTime c;
  fill_civil(s + tm.tm_gmtoff, t.sub_second_ns(), c);
  c.offset_seconds = static_cast<int>(tm.tm_gmtoff);
  c.abbreviation = tm.tm_zone != nullptr ? tm.tm_zone : "";
  if (!c.abbreviation.empty() && (c.abbreviation[0] == '+' || c.abbreviation[0] == '-')) {
    c.abbreviation.clear();
  }
  return c;
}

Timestamp from_civil_utc(const CivilTime& c) {
  const std::int64_t days = days_from_civil(c.year, c.month, c.day);
  return {(days * 86400 + c.hour * 3600LL + c.minute * 60LL + c.second) * kNs + c.nanosecond};
}

Timestamp from_civil_local(const CivilTime& c) {
  const Timestamp as_utc = from_civil_utc(c);
  std::tm tm{};
  const CivilTime norm = civil_utc(as_utc);
  tm.tm_year = norm.year - 1900;
  tm.tm_mon = norm.month - 1;
  tm.tm_mday = norm.day;
  tm.tm_hour = norm.hour;
  tm.tm_min = norm.minute;
  tm.tm_sec = norm.second;
  tm.tm_isdst = -1;
  const std::time_t tt = std::mktime(&tm);
  return {static_cast<std::int64_t>(tt) * kNs + norm.nanosecond};
}

IsoWeek iso_week(const CivilTime& c) {
  const std::int64_t days = days_from_civil(c.year, c.month, c.day);
  const int weekday = static_cast<int>(((days + 3) % 7 + 7) % 7);  // Monday = 0
  const std::int64_t thursday = days - weekday + 3;
  CivilTime t;
  civil_from_days(thursday, t);
  const std::int64_t first = days_from_civil(t.year, 1, 1);
  return {t.year, static_cast<int>((thursday - first) / 7 + 1)};
}

void append_rfc3339(std::string& out, Timestamp t) {
  const CivilTime c = civil_utc(t);
  char buf[40];
  auto two = [](char* p, int v) {
    p[0] = static_cast<char>('0' + v / 10);
    p[1] = static_cast<char>('0' + v % 10);
  };
  two(buf, c.year / 100);
  two(buf + 2, c.year % 100);
  buf[4] = '-';
  two(buf + 5, c.month);
  buf[7] = '-';
  two(buf + 8, c.day);
  buf[10] = 'T';
  two(buf + 11, c.hour);
  buf[13] = ':';
  two(buf + 14, c.minute);
  buf[16] = ':';
  two(buf + 17, c.second);
  std::size_t n = 19;
  if (c.nanosecond != 0) {
    buf[n++] = '.';
    int v = c.nanosecond;
    for (int i = 8; i >= 0; --i) {
      buf[n + static_cast<std::size_t>(i)] = static_cast<char>('0' + v % 10);
      v /= 10;
    }
    n += 9;
    while (buf[n - 1] == '0') {
      --n;
    }
  }
  buf[n++] = 'Z';
  out.append(buf, n);
}

std::string rfc3339(Timestamp t) {
  std::string out;
  append_rfc3339(out, t);
  return out;
}

Result<Timestamp> parse_rfc3339(std::string_view s) {
  const auto bad = [&] { return error(Code::invalid_argument, "invalid time \"{}\"", s); };
  const auto digits = [&](std::size_t at, std::size_t n, int& v) {
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
  };
  CivilTime c;
  if (s.size() < 20 || !digits(0, 4, c.year) || s[4] != '-' || !digits(5, 2, c.month) || s[7] != '-' ||
      !digits(8, 2, c.day) || (s[10] != 'T' && s[10] != 't') || !digits(11, 2, c.hour) || s[13] != ':' ||
      !digits(14, 2, c.minute) || s[16] != ':' || !digits(17, 2, c.second)) {
    return bad();
  }
  std::size_t i = 19;
  if (s[i] == '.' || s[i] == ',') {
    ++i;
    int scale = 100'000'000;
    const std::size_t start = i;
    while (i < s.size() && s[i] >= '0' && s[i] <= '9') {
      c.nanosecond += (s[i] - '0') * scale;
      scale /= 10;
      ++i;
    }
    if (i == start) {
      return bad();
    }
  }
  int offset = 0;
  if (i < s.size() && (s[i] == 'Z' || s[i] == 'z')) {
    ++i;
  } else {
    int oh = 0;
    int om = 0;
    if (i + 6 != s.size() || (s[i] != '+' && s[i] != '-') || !digits(i + 1, 2, oh) || s[i + 3] != ':' ||
        !digits(i + 4, 2, om)) {
      return bad();
    }
    offset = (oh * 3600 + om * 60) * (s[i] == '-' ? -1 : 1);
    i += 6;
  }
  static constexpr int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = c.year % 4 == 0 && (c.year % 100 != 0 || c.year % 400 == 0);
  if (i != s.size() || c.month < 1 || c.month > 12 || c.day < 1 ||
      c.day > kDays[c.month - 1] + (c.month == 2 && leap ? 1 : 0) || c.hour > 23 || c.minute > 59 || c.second > 59) {
    return bad();
  }
  if (c.year < 1678 || c.year > 2261) {
    return c.year == 1 ? Result<Timestamp>(Timestamp::zero()) : Result<Timestamp>(bad());
  }
  Timestamp t = from_civil_utc(c);
  t.ns -= offset * kNs;
  return t;
}

std::string display_time(Timestamp t, bool with_millis) {
  const CivilTime c = civil_local(t);
  std::string zone = c.abbreviation;
  if (zone.empty()) {
    const int o = std::abs(c.offset_seconds);
    zone = o % 3600 == 0 ? fmt::format("{}{:02}", c.offset_seconds < 0 ? '-' : '+', o / 3600)
                         : fmt::format("{}{:02}{:02}", c.offset_seconds < 0 ? '-' : '+', o / 3600, o / 60 % 60);
  }
  const std::string millis = with_millis ? fmt::format(".{:03}", c.nanosecond / 1'000'000) : "";
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02}{} {}", c.year, c.month, c.day, c.hour, c.minute, c.second,
                     millis, zone);
}

std::string go_duration(Duration d) {
  if (d.ns == 0) {
    return "0s";
  }
  std::uint64_t u = d.ns < 0 ? 0 - static_cast<std::uint64_t>(d.ns) : static_cast<std::uint64_t>(d.ns);
  const std::string sign = d.ns < 0 ? "-" : "";
  const auto fraction = [](std::uint64_t v, int digits) {
    std::string f = fmt::format("{:0{}}", v, digits);
    while (!f.empty() && f.back() == '0') {
      f.pop_back();
    }
    return f.empty() ? f : "." + f;
  };
  if (u < 1000) {
    return fmt::format("{}{}ns", sign, u);
  }
  if (u < 1'000'000) {
    return fmt::format("{}{}{}µs", sign, u / 1000, fraction(u % 1000, 3));
  }
  if (u < 1'000'000'000) {
    return fmt::format("{}{}{}ms", sign, u / 1'000'000, fraction(u % 1'000'000, 6));
  }
  const std::uint64_t total = u / 1'000'000'000;
  std::string out = fmt::format("{}{}s", total % 60, fraction(u % 1'000'000'000, 9));
  if (total >= 60) {
    out = fmt::format("{}m{}", total / 60 % 60, out);
  }
  if (total >= 3600) {
    out = fmt::format("{}h{}", total / 3600, out);
  }
  return sign + out;
}

Result<Duration> parse_go_duration(std::string_view text) {
  const auto bad = [&] { return error(Code::invalid_argument, "time: invalid duration \"{}\"", text); };
  std::string_view s = text;
  bool negative = false;
  if (!s.empty() && (s[0] == '-' || s[0] == '+')) {
    negative = s[0] == '-';
    s.remove_prefix(1);
  }
  if (s == "0") {
    return Duration{0};
  }
  if (s.empty()) {
    return bad();
  }
  static constexpr struct {
    std::string_view unit;
    double ns;
  } kUnits[] = {{"ns", 1},  {"us", 1e3}, {"µs", 1e3},   {"μs", 1e3},        {"ms", 1e6},
                {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}, {"d", 24 * 3600e9}, {"w", 7 * 24 * 3600e9}};
  std::int64_t total = 0;
  while (!s.empty()) {
    std::size_t n = 0;
    while (n < s.size() && ((s[n] >= '0' && s[n] <= '9') || s[n] == '.')) {
      ++n;
    }
    if (n == 0) {
      return bad();
    }
    const std::string number(s.substr(0, n));
    if (number == "." || std::count(number.begin(), number.end(), '.') > 1) {
      return bad();
    }
    s.remove_prefix(n);
    std::size_t u = 0;
    while (u < s.size() && s[u] != '.' && (s[u] < '0' || s[u] > '9')) {
      ++u;
    }
    const std::string_view unit = s.substr(0, u);
    if (unit.empty()) {
      return error(Code::invalid_argument, "time: missing unit in duration \"{}\"", text);
    }
    s.remove_prefix(u);
    const auto* it = std::find_if(std::begin(kUnits), std::end(kUnits), [&](const auto& k) { return k.unit == unit; });
    if (it == std::end(kUnits)) {
      return error(Code::invalid_argument, "time: unknown unit \"{}\" in duration \"{}\"", unit, text);
    }
    // Integer part exactly, fraction in floating point: as precise as the result's nanoseconds.
    const std::size_t dot = number.find('.');
    const double whole = std::strtod(number.substr(0, dot).c_str(), nullptr);
    const double part = dot == std::string::npos ? 0 : std::strtod(("0" + number.substr(dot)).c_str(), nullptr);
    const double add = whole * it->ns + std::round(part * it->ns);
    if (add > 9.2e18 || static_cast<double>(total) + add > 9.2e18) {
      return bad();
    }
    total += static_cast<std::int64_t>(whole) * static_cast<std::int64_t>(it->ns) +
             static_cast<std::int64_t>(std::round(part * it->ns));
  }
  return Duration{negative ? -total : total};
}

}  // namespace cairn
