// Points in time (nanoseconds since the Unix epoch), clocks, and the text forms the format and the command line use.
#pragma once

#include <compare>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "base/status.h"

namespace cairn {

// Signed nanoseconds.
struct Duration {
  std::int64_t ns = 0;
  auto operator<=>(const Duration&) const = default;
  double seconds() const { return static_cast<double>(ns) / 1e9; }
  friend Duration operator+(Duration a, Duration b) { return {a.ns + b.ns}; }
  friend Duration operator-(Duration a, Duration b) { return {a.ns - b.ns}; }
  friend Duration operator*(Duration a, std::int64_t n) { return {a.ns * n}; }
};
constexpr Duration milliseconds(std::int64_t n) { return {n * 1'000'000}; }
constexpr Duration seconds(std::int64_t n) { return {n * 1'000'000'000}; }
constexpr Duration minutes(std::int64_t n) { return seconds(n * 60); }
constexpr Duration hours(std::int64_t n) { return seconds(n * 3600); }

// Nanoseconds since 1970-01-01T00:00:00Z. `zero()` stands for the calendar value 0001-01-01T00:00:00Z ("never"), which
// does not fit the range and sorts before everything.
struct Timestamp {
  std::int64_t ns = 0;
  static constexpr Timestamp zero() { return {std::numeric_limits<std::int64_t>::min()}; }
  constexpr bool is_zero() const { return ns == std::numeric_limits<std::int64_t>::min(); }
  static constexpr Timestamp from_seconds(std::int64_t s) { return {s * 1'000'000'000}; }
  // Floor to seconds.
  std::int64_t unix_seconds() const { return ns / 1'000'000'000 - (ns % 1'000'000'000 < 0 ? 1 : 0); }
  // 0 … 999999999: what unix_seconds() leaves.
  std::int64_t sub_second_ns() const { return ns % 1'000'000'000 + (ns % 1'000'000'000 < 0 ? 1'000'000'000 : 0); }
  auto operator<=>(const Timestamp&) const = default;
  friend Timestamp operator+(Timestamp t, Duration d) { return {t.ns + d.ns}; }
  friend Timestamp operator-(Timestamp t, Duration d) { return {t.ns - d.ns}; }
  friend Duration operator-(Timestamp a, Timestamp b) { return {a.ns - b.ns}; }
};

class Clock {
 public:
  virtual ~Clock() = default;
  virtual Timestamp now() const = 0;
};
// The machine's wall clock.
const Clock& system_clock();
// Monotonic nanoseconds for measuring spans.
std::int64_t monotonic_ns();

// RFC 3339 in UTC with 1–9 fractional digits, trailing zeros removed: the form of all stored JSON.
std::string rfc3339(Timestamp t);
void append_rfc3339(std::string& out, Timestamp t);
// Any offset accepted. Errors: invalid_argument.
Result<Timestamp> parse_rfc3339(std::string_view text);

// Broken-down time in a zone.
struct CivilTime {
  int year = 1970, month = 1, day = 1, hour = 0, minute = 0, second = 0, nanosecond = 0;
  int offset_seconds = 0;    // east of UTC
  std::string abbreviation;  // "UTC", "CET"; empty if the zone has none
  int weekday = 4;           // 0 = Sunday
};
CivilTime civil_utc(Timestamp t);
// In the process's local zone (TZ).
CivilTime civil_local(Timestamp t);
// Fields may be out of range and are normalised (Go's time.Date); offset is ignored.
Timestamp from_civil_utc(const CivilTime& c);
Timestamp from_civil_local(const CivilTime& c);
struct IsoWeek {
  int year, week;
};
IsoWeek iso_week(const CivilTime& c);

// "2006-01-02 15:04:05 MST" in the local zone; zones without abbreviation as "+0545". With millis: "…05.123 MST".
std::string display_time(Timestamp t, bool with_millis = false);

// Go's text form of a duration: "0s", "350ms", "1.5s", "1h0m0s".
std::string go_duration(Duration d);
// Go's syntax ("1h30m", "-1.5s"); d (days) and w (weeks) accepted besides. Errors: invalid_argument with Go's words.
Result<Duration> parse_go_duration(std::string_view text);

}  // namespace cairn
