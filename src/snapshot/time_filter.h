// Which snapshot a time given by a person means. (kopia-model §9.1, kopia-interfaces §1.8.10)
#pragma once

#include <string_view>

#include "base/time.h"

namespace cairn::snapshot {

class SnapshotTimeFilter {
 public:
  enum class Kind { latest, oldest, before };
  // "latest" (also ""), "oldest", "yesterday", "last-month", "last-year", "[Ny-][Nmo-][Nd-]ago", a date or a time.
  // Errors: invalid_argument.
  static Result<SnapshotTimeFilter> parse(std::string_view text, Timestamp now);
  Kind kind() const { return kind_; }
  Timestamp limit() const { return limit_; }  // kind before: start time must be strictly earlier
  // Candidates are looked at newest first: `index` of `count`.
  bool accepts(Timestamp start, std::size_t index, std::size_t count) const;

 private:
  Kind kind_ = Kind::latest;
  Timestamp limit_{};
};

// A date or time of any accepted form. `unit_end` = the moment + one unit of its precision. No zone = local.
struct ParsedTime {
  Timestamp time{}, unit_end{};
};
Result<ParsedTime> parse_flexible_time(std::string_view text);

// "2006-01-02 15:04:05 MST" (--start-time, --end-time). Zones: UTC, GMT, Z, those of the local zone, "+0545", "GMT+3".
// Errors: invalid_argument with Go's words.
Result<Timestamp> parse_display_time(std::string_view text);

}  // namespace cairn::snapshot
