// When the next snapshot of a source is due. (kopia-model §7.7)
#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "snapshot/policy.h"

namespace cairn::snapshot {

// Five fields, six with year, seven with seconds and year; names, L, W, #, @daily and friends. Local zone.
class CronExpression {
 public:
  // Errors: invalid_argument.
  static Result<CronExpression> parse(std::string_view text);
  // Strictly after `t`; nullopt when there is none before the year 2100.
  std::optional<Timestamp> next(Timestamp t) const;

 private:
  friend class CronParser;
  std::bitset<60> seconds_, minutes_;
  std::bitset<24> hours_;
  std::bitset<32> days_;      // of month
  std::bitset<32> workdays_;  // nW
  std::bitset<13> months_;
  std::bitset<7> weekdays_;
  std::bitset<7> last_weekdays_;                // nL
  std::array<std::bitset<6>, 7> nth_weekdays_;  // n#k
  std::bitset<200> years_;                      // from 1900
  bool last_day_ = false, last_workday_ = false;
  bool days_restricted_ = false, weekdays_restricted_ = false;
  bool matches_day(const CivilTime& day) const;
};

// A cron line of a policy: what stands before '#' is the expression (nullopt when nothing does). Errors:
// invalid_argument.
Result<std::optional<CronExpression>> parse_cron_line(std::string_view line);

// `previous`: start of the last snapshot or attempt; zero() when there is none. nullopt: nothing is scheduled.
std::optional<Timestamp> next_snapshot_time(const SchedulingPolicy& policy, Timestamp previous, Timestamp now);
// The next `count` times from `now` on, as the server shows them.
std::vector<Timestamp> upcoming_snapshot_times(const SchedulingPolicy& policy, Timestamp now, std::size_t count);

}  // namespace cairn::snapshot
