#include "snapshot/schedule.h"

#include <algorithm>

namespace cairn::snapshot {
namespace {

// From 0001-01-01 to 1970-01-01: what intervals are counted from.
constexpr __int128 kEpochFromYearOneNs = static_cast<__int128>(62'135'596'800) * 1'000'000'000;
constexpr std::int64_t kNsPerSecond = 1'000'000'000;
constexpr Duration kTooClose = minutes(30);

std::optional<Timestamp> earliest(std::optional<Timestamp> a, std::optional<Timestamp> b) {
  if (!a || !b) {
    return a ? a : b;
  }
  return std::min(*a, *b);
}

std::optional<Timestamp> next_interval(std::int64_t interval_seconds, Timestamp previous, Timestamp now) {
  if (interval_seconds <= 0) {
    return std::nullopt;
  }
  if (previous.is_zero()) {
    return now;
  }
  const __int128 step = static_cast<__int128>(interval_seconds) * kNsPerSecond;
  const __int128 due = static_cast<__int128>(previous.ns) + step + kEpochFromYearOneNs;
  const __int128 at = due - due % step - kEpochFromYearOneNs;
  if (at <= now.ns) {
    return now;
  }
  constexpr __int128 kMax = std::numeric_limits<std::int64_t>::max();
  return Timestamp{static_cast<std::int64_t>(std::min(at, kMax))};
}

std::optional<Timestamp> next_time_of_day(const std::vector<TimeOfDay>& times, Timestamp now) {
  std::optional<Timestamp> best;
  for (const TimeOfDay& t : times) {
    CivilTime c = civil_local(now);
    c.hour = t.hour;
    c.minute = t.minute;
    c.second = c.nanosecond = 0;
    Timestamp at = from_civil_local(c);
    if (now > at) {
      at = at + hours(24);
    }
    best = earliest(best, at);
  }
  return best;
}

std::optional<Timestamp> next_cron(const std::vector<std::string>& lines, Timestamp now) {
  std::optional<Timestamp> best;
  for (const std::string& line : lines) {
    auto parsed = parse_cron_line(line);
    if (parsed.ok() && *parsed) {
      best = earliest(best, (*parsed)->next(now));
    }
  }
  return best;
}

// A time of day or cron time passed since the previous snapshot, and the next one is not close.
bool missed_one(const SchedulingPolicy& p, Timestamp previous, Timestamp now, Timestamp candidate) {
  if ((p.times_of_day.empty() && p.cron.empty()) || candidate <= now + kTooClose) {
    return false;
  }
  if (previous.is_zero()) {
    return true;
  }
  const Timestamp after = previous + seconds(1);
  const auto missed = earliest(next_time_of_day(p.times_of_day, after), next_cron(p.cron, after));
  return missed && *missed < now;
}

}  // namespace

std::optional<Timestamp> next_snapshot_time(const SchedulingPolicy& p, Timestamp previous, Timestamp now) {
  if (p.manual) {
    return std::nullopt;
  }
  const auto next = earliest(next_interval(p.interval_seconds, previous, now),
                             earliest(next_time_of_day(p.times_of_day, now), next_cron(p.cron, now)));
  if (next && p.run_missed.value_or(false) && missed_one(p, previous, now, *next)) {
    return now;
  }
  return next;
}

std::vector<Timestamp> upcoming_snapshot_times(const SchedulingPolicy& policy, Timestamp now, std::size_t count) {
  SchedulingPolicy p = policy;
  p.run_missed = false;
  std::vector<Timestamp> out;
  Timestamp previous = now;
  while (out.size() < count) {
    const auto next = next_snapshot_time(p, previous, now);
    if (!next) {
      break;
    }
    out.push_back(*next);
    previous = *next;
    now = *next + seconds(1);
  }
  return out;
}

}  // namespace cairn::snapshot
