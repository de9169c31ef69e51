// Cron expressions (kopia-model §7.7).
#include <algorithm>
#include <charconv>
#include <string>
#include <vector>

#include "base/units.h"
#include "snapshot/schedule.h"

namespace cairn::snapshot {
namespace {

constexpr int kYearFirst = 1970;
constexpr int kYearLast = 2099;
constexpr int kYearBase = 1900;

constexpr std::string_view kMonths[] = {"january", "february", "march",     "april",   "may",      "june",
                                        "july",    "august",   "september", "october", "november", "december"};
constexpr std::string_view kWeekdays[] = {"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"};

struct Alias {
  std::string_view name, fields;
};
constexpr Alias kAliases[] = {{"@yearly", "0 0 1 1 *"}, {"@annually", "0 0 1 1 *"}, {"@monthly", "0 0 1 * *"},
                              {"@weekly", "0 0 * * 0"}, {"@daily", "0 0 * * *"},    {"@hourly", "0 * * * *"}};

std::vector<std::string_view> split(std::string_view s, std::string_view separators) {
  std::vector<std::string_view> out;
  while (true) {
    const std::size_t cut = s.find_first_of(separators);
    out.push_back(s.substr(0, cut));
    if (cut == std::string_view::npos) {
      return out;
    }
    s.remove_prefix(cut + 1);
  }
}

int days_in_month(int year, int month) {
  static constexpr int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
  return kDays[month - 1] + (month == 2 && leap ? 1 : 0);
}

int weekday_of(int year, int month, int day) {
  CivilTime c;
  c.year = year;
  c.month = month;
  c.day = day;
  return civil_utc(from_civil_utc(c)).weekday;
}

// The working day nearest to `day` within its month.
int nearest_workday(int year, int month, int day) {
  const int last = days_in_month(year, month);
  day = std::min(day, last);
  switch (weekday_of(year, month, day)) {
    case 6:
      return day > 1 ? day - 1 : day + 2;
    case 0:
      return day < last ? day + 1 : day - 2;
    default:
      return day;
  }
}

}  // namespace

class CronParser {
 public:
  explicit CronParser(std::string_view text) : text_(text) {}

  Result<CronExpression> run() {
    const std::string lower = to_lower(trim(text_));
    std::string_view body = lower;
    for (const Alias& a : kAliases) {
      body = body == a.name ? a.fields : body;
    }
    std::vector<std::string_view> fields = split(body, " \t");
    std::erase_if(fields, [](std::string_view f) { return f.empty(); });
    if (fields.size() < 5 || fields.size() > 7) {
      return bad();
    }
    if (fields.size() == 7) {
      TRY(simple(fields[0], {0, 59, {}}, [this](int v) { e_.seconds_.set(static_cast<std::size_t>(v)); }));
      fields.erase(fields.begin());
    } else {
      e_.seconds_.set(0);
    }
    TRY(simple(fields[0], {0, 59, {}}, [this](int v) { e_.minutes_.set(static_cast<std::size_t>(v)); }));
    TRY(simple(fields[1], {0, 23, {}}, [this](int v) { e_.hours_.set(static_cast<std::size_t>(v)); }));
    TRY(days(fields[2]));
    TRY(simple(fields[3], {1, 12, kMonths}, [this](int v) { e_.months_.set(static_cast<std::size_t>(v)); }));
    TRY(weekdays(fields[4]));
    TRY(simple(fields.size() > 5 ? fields[5] : "*", {kYearFirst, kYearLast, {}},
               [this](int v) { e_.years_.set(static_cast<std::size_t>(v - kYearBase)); }));
    return std::move(e_);
  }

 private:
  struct Range {
    int first, last;
    std::span<const std::string_view> names;  // of first, first + 1, …; also by their first three letters
  };

  Status bad() const { return error(Code::invalid_argument, "invalid cron expression \"{}\"", text_); }

  static bool value(std::string_view s, const Range& r, int& out) {
    for (std::size_t i = 0; i < r.names.size(); ++i) {
      if (s == r.names[i] || s == r.names[i].substr(0, 3)) {
        out = r.first + static_cast<int>(i);
        return true;
      }
    }
    const auto parsed = std::from_chars(s.data(), s.data() + s.size(), out);
    return !s.empty() && parsed.ec == std::errc() && parsed.ptr == s.data() + s.size() && out >= r.first &&
           out <= r.last;
  }

  // One element of a list: "*", "a", "a-b", each with an optional "/step".
  template <class F>
  bool element(std::string_view item, const Range& r, F&& set) const {
    int step = 1;
    const std::size_t slash = item.find('/');
    if (slash != std::string_view::npos && !value(item.substr(slash + 1), {1, std::max(r.last, 1), {}}, step)) {
      return false;
    }
    const std::string_view span = item.substr(0, slash);
    int first = r.first;
    int last = r.last;
    if (span != "*" && span != "?") {
      const std::size_t dash = span.find('-');
      if (!value(span.substr(0, dash), r, first)) {
        return false;
      }
      if (dash != std::string_view::npos) {
        if (!value(span.substr(dash + 1), r, last)) {
          return false;
        }
      } else if (slash == std::string_view::npos) {
        last = first;
      }
    }
    for (int v = first; v <= last; v += step) {
      set(v);
    }
    return first <= last;
  }

  template <class F>
  Status simple(std::string_view field, const Range& r, F&& set) const {
    for (const std::string_view item : split(field, ",")) {
      if (!element(item, r, set)) {
        return bad();
      }
    }
    return {};
  }

  Status days(std::string_view field) {
    e_.days_restricted_ = true;
    const Range range{1, 31, {}};
    for (const std::string_view item : split(field, ",")) {
      int day = 0;
      if (item == "l") {
        e_.last_day_ = true;
      } else if (item == "lw" || item == "wl") {
        e_.last_workday_ = true;
      } else if (item.ends_with('w') && value(item.substr(0, item.size() - 1), range, day)) {
        e_.workdays_.set(static_cast<std::size_t>(day));
      } else if (element(item, range, [this](int v) { e_.days_.set(static_cast<std::size_t>(v)); })) {
        e_.days_restricted_ = e_.days_restricted_ && item != "*" && item != "?";
      } else {
        return bad();
      }
    }
    return {};
  }

  Status weekdays(std::string_view field) {
    e_.weekdays_restricted_ = true;
    const Range range{0, 7, kWeekdays};
    for (const std::string_view item : split(field, ",")) {
      int day = 0;
      int nth = 0;
      const std::size_t hash = item.find('#');
      if (hash != std::string_view::npos && value(item.substr(0, hash), range, day) &&
          value(item.substr(hash + 1), {1, 5, {}}, nth)) {
        e_.nth_weekdays_[static_cast<std::size_t>(day % 7)].set(static_cast<std::size_t>(nth));
      } else if (item.ends_with('l') && value(item.substr(0, item.size() - 1), range, day)) {
        e_.last_weekdays_.set(static_cast<std::size_t>(day % 7));
      } else if (element(item, range, [this](int v) { e_.weekdays_.set(static_cast<std::size_t>(v % 7)); })) {
        e_.weekdays_restricted_ = e_.weekdays_restricted_ && item != "*" && item != "?";
      } else {
        return bad();
      }
    }
    return {};
  }

  std::string_view text_;
  CronExpression e_;
};

Result<CronExpression> CronExpression::parse(std::string_view text) { return CronParser(text).run(); }

bool CronExpression::matches_day(const CivilTime& c) const {
  if (!days_restricted_ && !weekdays_restricted_) {
    return true;
  }
  const int last = days_in_month(c.year, c.month);
  if (days_restricted_) {
    if (days_[static_cast<std::size_t>(c.day)] || (last_day_ && c.day == last) ||
        (last_workday_ && c.day == nearest_workday(c.year, c.month, last))) {
      return true;
    }
    for (int day = 1; day <= last; ++day) {
      if (workdays_[static_cast<std::size_t>(day)] && nearest_workday(c.year, c.month, day) == c.day) {
        return true;
      }
    }
  }
  if (weekdays_restricted_) {
    const auto weekday = static_cast<std::size_t>(c.weekday);
    return weekdays_[weekday] || (last_weekdays_[weekday] && c.day + 7 > last) ||
           nth_weekdays_[weekday][static_cast<std::size_t>((c.day - 1) / 7 + 1)];
  }
  return false;
}

namespace {

// The first set bit at or after `from`, or size.
template <std::size_t N>
std::size_t next_bit(const std::bitset<N>& bits, std::size_t from) {
  while (from < N && !bits[from]) {
    ++from;
  }
  return from;
}

}  // namespace

std::optional<Timestamp> CronExpression::next(Timestamp t) const {
  CivilTime day = civil_local(t);
  std::size_t from_hour = static_cast<std::size_t>(day.hour);
  day.hour = day.minute = day.second = day.nanosecond = 0;
  while (day.year <= kYearLast) {
    const bool year_ok = day.year >= kYearBase && years_[static_cast<std::size_t>(day.year - kYearBase)];
    if (year_ok && months_[static_cast<std::size_t>(day.month)] && matches_day(day)) {
      for (std::size_t h = next_bit(hours_, from_hour); h < 24; h = next_bit(hours_, h + 1)) {
        for (std::size_t m = next_bit(minutes_, 0); m < 60; m = next_bit(minutes_, m + 1)) {
          for (std::size_t s = next_bit(seconds_, 0); s < 60; s = next_bit(seconds_, s + 1)) {
            CivilTime c = day;
            c.hour = static_cast<int>(h);
            c.minute = static_cast<int>(m);
            c.second = static_cast<int>(s);
            if (const Timestamp at = from_civil_local(c); at > t) {
              return at;
            }
          }
        }
      }
    }
    from_hour = 0;
    ++day.day;
    day = civil_utc(from_civil_utc(day));
  }
  return std::nullopt;
}

Result<std::optional<CronExpression>> parse_cron_line(std::string_view line) {
  // Kopia takes every '#' for a comment, so "5#3" means "5" in a policy, to both programs.
  const std::string_view expression = trim(line.substr(0, line.find('#')));
  if (expression.empty()) {
    return std::optional<CronExpression>();
  }
  TRY_ASSIGN(CronExpression e, CronExpression::parse(expression));
  return std::optional<CronExpression>(std::move(e));
}

}  // namespace cairn::snapshot
