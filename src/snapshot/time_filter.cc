#include "snapshot/time_filter.h"

#include <algorithm>
#include <optional>

#include "base/units.h"

namespace cairn::snapshot {
namespace {

constexpr std::string_view kDisplayLayout = "2006-01-02 15:04:05 MST";

enum class Unit { year, month, day, hour, minute, second, fraction };

// Reads a text from the left.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}
  std::string_view rest() const { return rest_; }
  bool done() const { return rest_.empty(); }
  bool accept(char c) {
    if (!rest_.starts_with(c)) {
      return false;
    }
    rest_.remove_prefix(1);
    return true;
  }
  // min…max digits.
  bool number(std::size_t min, std::size_t max, int& out) {
    std::size_t n = 0;
    int v = 0;
    while (n < rest_.size() && n < max && rest_[n] >= '0' && rest_[n] <= '9') {
      v = v * 10 + (rest_[n++] - '0');
    }
    if (n < min) {
      return false;
    }
    out = v;
    rest_.remove_prefix(n);
    return true;
  }
  // ".123": up to nine digits count.
  bool fraction(int& nanos, int& digits) {
    std::size_t n = 0;
    nanos = 0;
    digits = 0;
    for (; n < rest_.size() && rest_[n] >= '0' && rest_[n] <= '9'; ++n) {
      if (digits < 9) {
        nanos = nanos * 10 + (rest_[n] - '0');
        ++digits;
      }
    }
    for (int i = digits; i < 9; ++i) {
      nanos *= 10;
    }
    rest_.remove_prefix(n);
    return n > 0;
  }

 private:
  std::string_view rest_;
};

int days_in_month(int year, int month) {
  static constexpr int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
  return kDays[month - 1] + (month == 2 && leap ? 1 : 0);
}

// Null when all is in range, else the field that is not.
const char* out_of_range(const CivilTime& c) {
  if (c.month < 1 || c.month > 12) {
    return "month";
  }
  if (c.day < 1 || c.day > days_in_month(c.year, c.month)) {
    return "day";
  }
  if (c.hour > 23) {
    return "hour";
  }
  if (c.minute > 59) {
    return "minute";
  }
  return c.second > 59 ? "second" : nullptr;
}

// A zone in which civil times are read: the local one, or a fixed offset.
struct Zone {
  std::optional<int> offset_seconds;
  Timestamp moment(const CivilTime& c) const {
    return offset_seconds ? from_civil_utc(c) - seconds(*offset_seconds) : from_civil_local(c);
  }
};

// "+05:45", "+0545", "+05", "+5".
std::optional<int> parse_offset(std::string_view text) {
  Scanner s(text);
  const bool negative = text.starts_with('-');
  int h = 0;
  int m = 0;
  if (!(s.accept('+') || s.accept('-')) || !s.number(1, 2, h)) {
    return std::nullopt;
  }
  s.accept(':');
  if (!s.done() && (!s.number(2, 2, m) || !s.done())) {
    return std::nullopt;
  }
  if (h > 24 || m > 59) {
    return std::nullopt;
  }
  return (h * 3600 + m * 60) * (negative ? -1 : 1);
}

// Abbreviations mean something only in the local zone: the one in force at `c`, or that of another time of the year.
std::optional<Zone> local_abbreviation(std::string_view name, const CivilTime& c) {
  const Timestamp at = from_civil_local(c);
  for (const std::int64_t days : {0, 91, 182, 274}) {
    const CivilTime there = civil_local(at + hours(24 * days));
    if (there.abbreviation == name) {
      return Zone{there.offset_seconds};
    }
  }
  return std::nullopt;
}

std::optional<Zone> parse_zone(std::string_view text, const CivilTime& c) {
  if (text == "Z" || text == "z" || text == "UTC" || text == "GMT") {
    return Zone{0};
  }
  std::string_view offset = text;
  if (offset.starts_with("GMT") || offset.starts_with("UTC")) {
    offset.remove_prefix(3);
  }
  if (const auto fixed = parse_offset(offset)) {
    return Zone{*fixed};
  }
  return local_abbreviation(text, c);
}

struct CivilParse {
  CivilTime time;
  Unit unit = Unit::year;
  int fraction_digits = 0;
};

// year[-month[-day[(T| )hour[:minute[:second[.fraction]]]]]]; stops in front of a zone.
bool scan_time(Scanner& s, CivilParse& p) {
  CivilTime& c = p.time;
  if (!s.number(4, 4, c.year)) {
    return false;
  }
  if (!s.accept('-')) {
    return true;
  }
  p.unit = Unit::month;
  if (!s.number(1, 2, c.month)) {
    return false;
  }
  if (!s.accept('-')) {
    return true;
  }
  p.unit = Unit::day;
  if (!s.number(1, 2, c.day)) {
    return false;
  }
  const bool strict = s.rest().starts_with('T') || s.rest().starts_with('t');
  if (strict) {
    s.accept('T') || s.accept('t');
  } else {
    while (s.accept(' ')) {
    }
  }
  if (!s.number(1, 2, c.hour)) {
    return !strict;
  }
  p.unit = Unit::hour;
  if (!s.accept(':')) {
    return true;
  }
  p.unit = Unit::minute;
  if (!s.number(2, 2, c.minute)) {
    return false;
  }
  if (!s.accept(':')) {
    return true;
  }
  p.unit = Unit::second;
  if (!s.number(2, 2, c.second)) {
    return false;
  }
  if (s.accept('.')) {
    p.unit = Unit::fraction;
    return s.fraction(c.nanosecond, p.fraction_digits);
  }
  return true;
}

Timestamp end_of_unit(const CivilParse& p, const Zone& zone, Timestamp start) {
  CivilTime next = p.time;
  switch (p.unit) {
    case Unit::year:
      ++next.year;
      return zone.moment(next);
    case Unit::month:
      ++next.month;
      return zone.moment(next);
    case Unit::day:
      ++next.day;
      return zone.moment(next);
    case Unit::hour:
      return start + hours(1);
    case Unit::minute:
      return start + minutes(1);
    case Unit::second:
      return start + seconds(1);
    case Unit::fraction:
      break;
  }
  Duration step{1};
  for (int i = p.fraction_digits; i < 9; ++i) {
    step = step * 10;
  }
  return start + step;
}

CivilTime midnight(Timestamp t) {
  CivilTime c = civil_local(t);
  c.hour = c.minute = c.second = c.nanosecond = 0;
  return c;
}

// "1y-2mo-3d-ago": the midnight that ends that day.
std::optional<Timestamp> parse_ago(std::string_view text, Timestamp now) {
  constexpr std::string_view kAgo = "ago";
  if (!text.ends_with(kAgo)) {
    return std::nullopt;
  }
  text.remove_suffix(kAgo.size());
  CivilTime c = midnight(now);
  Scanner s(text);
  while (!s.done()) {
    int n = 0;
    if (!s.number(1, 4, n)) {
      return std::nullopt;
    }
    if (s.accept('y')) {
      c.year -= n;
    } else if (s.accept('m')) {
      s.accept('o');
      c.month -= n;
    } else if (s.accept('w')) {
      c.day -= 7 * n;
    } else if (s.accept('d')) {
      c.day -= n;
    } else {
      return std::nullopt;
    }
    if (!s.accept('-')) {
      return std::nullopt;
    }
  }
  if (c.year + c.month / 12 + c.day / 366 < 1680) {
    return Timestamp{Timestamp::zero().ns + 1};  // before everything
  }
  ++c.day;
  return from_civil_local(c);
}

}  // namespace

Result<ParsedTime> parse_flexible_time(std::string_view text) {
  const auto bad = [&] { return error(Code::invalid_argument, "invalid time: {}", text); };
  Scanner s(text);
  CivilParse p;
  if (!scan_time(s, p) || out_of_range(p.time) != nullptr || p.time.year < 1680 || p.time.year > 2260) {
    return bad();
  }
  while (s.accept(' ')) {
  }
  Zone zone;
  if (!s.done()) {
    if (p.unit < Unit::day) {
      return bad();
    }
    const auto parsed = parse_zone(s.rest(), p.time);
    if (!parsed) {
      return error(Code::invalid_argument, "unknown time zone {} in {}", s.rest(), text);
    }
    zone = *parsed;
  }
  const Timestamp start = zone.moment(p.time);
  return ParsedTime{start, end_of_unit(p, zone, start)};
}

Result<SnapshotTimeFilter> SnapshotTimeFilter::parse(std::string_view text, Timestamp now) {
  SnapshotTimeFilter f;
  if (text.empty() || text == "latest") {
    return f;
  }
  if (text == "oldest") {
    f.kind_ = Kind::oldest;
    return f;
  }
  f.kind_ = Kind::before;
  CivilTime c = midnight(now);
  if (text == "yesterday") {
    f.limit_ = from_civil_local(c);
  } else if (text == "last-month") {
    c.day = 1;
    f.limit_ = from_civil_local(c);
  } else if (text == "last-year") {
    c.month = c.day = 1;
    f.limit_ = from_civil_local(c);
  } else if (const auto ago = parse_ago(text, now)) {
    f.limit_ = *ago;
  } else {
    auto parsed = parse_flexible_time(text);
    if (!parsed.ok()) {
      return error(Code::invalid_argument, "Invalid time spec: {}", text);
    }
    f.limit_ = parsed->unit_end;
  }
  return f;
}

bool SnapshotTimeFilter::accepts(Timestamp start, std::size_t index, std::size_t count) const {
  switch (kind_) {
    case Kind::latest:
      return index == 0;
    case Kind::oldest:
      return index + 1 == count;
    case Kind::before:
      break;
  }
  return start < limit_;
}

Result<Timestamp> parse_display_time(std::string_view text) {
  Scanner s(text);
  CivilTime c;
  const auto mismatch = [&](std::string_view element) {
    return error(Code::invalid_argument, "parsing time \"{}\" as \"{}\": cannot parse \"{}\" as \"{}\"", text,
                 kDisplayLayout, s.rest(), element);
  };
  struct Element {
    std::string_view layout;
    char literal;
    std::size_t min, max;
    int* field;
  };
  const Element elements[] = {{"2006", 0, 4, 4, &c.year}, {"-", '-', 0, 0, nullptr}, {"01", 0, 2, 2, &c.month},
                              {"-", '-', 0, 0, nullptr},  {"02", 0, 2, 2, &c.day},   {" ", ' ', 0, 0, nullptr},
                              {"15", 0, 1, 2, &c.hour},   {":", ':', 0, 0, nullptr}, {"04", 0, 2, 2, &c.minute},
                              {":", ':', 0, 0, nullptr},  {"05", 0, 2, 2, &c.second}};
  for (const Element& e : elements) {
    if (e.literal != 0 ? !s.accept(e.literal) : !s.number(e.min, e.max, *e.field)) {
      return mismatch(e.layout);
    }
  }
  if (s.rest().starts_with('.')) {
    s.accept('.');
    int digits = 0;
    if (!s.fraction(c.nanosecond, digits)) {
      return mismatch(" ");
    }
  }
  if (!s.accept(' ')) {
    return mismatch(" ");
  }
  if (const char* field = out_of_range(c); field != nullptr) {
    return error(Code::invalid_argument, "parsing time \"{}\": {} out of range", text, field);
  }
  if (c.year < 1680 || c.year > 2260) {
    return error(Code::invalid_argument, "parsing time \"{}\": year out of range", text);
  }
  const auto zone = parse_zone(s.rest(), c);
  if (!zone) {
    return mismatch("MST");
  }
  return zone->moment(c);
}

}  // namespace cairn::snapshot
