#include "snapshot/schedule.h"

#include <gtest/gtest.h>

#include "tests/support/golden.h"

namespace cairn::snapshot {
namespace {

using testing::ScopedTimeZone;

// "hh:mm[:ss[.f]]" of 2020-01-01, or "DDThh:mm:ss…" of January 2020, local time.
Timestamp at(std::string text) {
  if (text.find('T') == std::string::npos) {
    text = "01T" + text;
  }
  if (text.size() == 8) {
    text += ":00";
  }
  CivilTime c = civil_utc(parse_rfc3339("2020-01-" + text + "Z").value());
  return from_civil_local(c);
}

std::string local(std::optional<Timestamp> t) {
  if (!t) {
    return "none";
  }
  const CivilTime c = civil_local(*t);
  return fmt::format("{:02}T{:02}:{:02}:{:02}", c.day, c.hour, c.minute, c.second) +
         (c.nanosecond != 0 ? fmt::format(".{:09}", c.nanosecond) : "");
}

SchedulingPolicy every(std::int64_t interval) {
  SchedulingPolicy p;
  p.interval_seconds = interval;
  return p;
}
SchedulingPolicy daily(std::vector<TimeOfDay> times, std::int64_t interval = 0) {
  SchedulingPolicy p = every(interval);
  p.times_of_day = std::move(times);
  return p;
}
SchedulingPolicy with_missed(SchedulingPolicy p) {
  p.run_missed = true;
  return p;
}

class Schedule : public ::testing::TestWithParam<const char*> {
 protected:
  Schedule() : zone_(GetParam()) {}
  static std::string next(const SchedulingPolicy& p, const char* previous, const char* now) {
    return local(next_snapshot_time(p, at(previous), at(now)));
  }
  ScopedTimeZone zone_;
};
INSTANTIATE_TEST_SUITE_P(Zones, Schedule, ::testing::Values("UTC", "PST8PDT,M3.2.0,M11.1.0"));

TEST_P(Schedule, Intervals) {
  EXPECT_EQ(next(every(60), "11:50", "12:03"), "01T12:03:00");
  EXPECT_EQ(next(every(60), "11:50:00", "11:50:30"), "01T11:51:00");
  EXPECT_EQ(next(every(300), "11:51", "11:50:30"), "01T11:55:00");
  EXPECT_EQ(next(every(1200), "11:50", "11:50:30"), "01T12:00:00");
}

TEST_P(Schedule, TimesOfDay) {
  EXPECT_EQ(next(daily({{11, 55}, {11, 57}}), "11:50", "11:55:30"), "01T11:57:00");
  EXPECT_EQ(next(daily({{11, 54}, {11, 57}}, 300), "11:50", "11:53"), "01T11:54:00");
  EXPECT_EQ(next(daily({{11, 54}, {11, 57}}, 300), "11:50", "11:54:01"), "01T11:55:00");
  EXPECT_EQ(next(daily({{11, 54}, {11, 57}}, 300), "11:50", "11:55:01"), "01T11:55:01");
  EXPECT_EQ(next(daily({{11, 54}, {11, 57}}), "11:50", "11:57:00.000000001"), "02T11:54:00");
}

TEST_P(Schedule, Cron) {
  SchedulingPolicy p;
  p.cron = {"0 23 * * *"};
  EXPECT_EQ(next(p, "09:00", "10:00"), "01T23:00:00");
  p.cron = {"rubbish", "# comment", "5 3 * Feb Thu"};
  const auto t = next_snapshot_time(p, at("00:30"), at("01:00"));
  ASSERT_TRUE(t);
  EXPECT_EQ(civil_local(*t).month, 2);
  EXPECT_EQ(local(t), "06T03:05:00");
}

TEST_P(Schedule, MissedOnesRunNow) {
  const SchedulingPolicy p = with_missed(daily({{11, 55}}));
  EXPECT_EQ(next(p, "01T11:55:00", "02T11:55:30"), "02T11:55:30");
  EXPECT_EQ(next(p, "01T11:55:00", "03T11:30:00"), "03T11:55:00");
  EXPECT_EQ(next(p, "01T11:55:00", "02T11:30:00"), "02T11:55:00");
  EXPECT_EQ(next(with_missed(daily({{11, 1}, {4, 1}})), "01T11:01:00", "02T10:00:00"), "02T10:00:00");
}

TEST_P(Schedule, ManualAndEmptyOnesNeverRun) {
  SchedulingPolicy p = every(60);
  p.manual = true;
  EXPECT_EQ(next(p, "11:50", "12:03"), "none");
  EXPECT_EQ(next(with_missed({}), "11:50", "12:03"), "none");
}

TEST_P(Schedule, UpcomingTimes) {
  std::string out;
  for (const Timestamp t : upcoming_snapshot_times(with_missed(daily({{1, 30}, {12, 0}})), at("12:00"), 3)) {
    out += local(t) + " ";
  }
  EXPECT_EQ(out, "01T12:00:00 02T01:30:00 02T12:00:00 ");
}

TEST(Schedule, FirstIntervalIsDueAtOnce) {
  EXPECT_EQ(next_snapshot_time(every(3600), Timestamp::zero(), at("10:00")), at("10:00"));
}

std::string cron_next(const char* expression, const char* after) {
  auto e = CronExpression::parse(expression);
  if (!e.ok()) {
    return e.status().message();
  }
  const auto t = e->next(parse_rfc3339(after).value());
  return t ? rfc3339(*t) : "never";
}

TEST(Cron, Expressions) {
  const ScopedTimeZone utc("UTC");
  const struct {
    const char *expression, *after, *next;
  } cases[] = {
      {"* * * * *", "2024-02-28T23:59:30Z", "2024-02-29T00:00:00Z"},
      {"*/15 * * * *", "2024-01-01T10:15:00Z", "2024-01-01T10:30:00Z"},
      {"5/20 * * * *", "2024-01-01T10:26:00Z", "2024-01-01T10:45:00Z"},
      {"0 9-17/4 * * mon-fri", "2024-01-05T17:00:00Z", "2024-01-08T09:00:00Z"},
      {"0 0 1,15 * *", "2024-01-02T00:00:00Z", "2024-01-15T00:00:00Z"},
      {"0 0 L * *", "2024-02-01T00:00:00Z", "2024-02-29T00:00:00Z"},
      {"0 0 LW * *", "2024-03-01T00:00:00Z", "2024-03-29T00:00:00Z"},
      {"0 0 15W * *", "2024-06-01T00:00:00Z", "2024-06-14T00:00:00Z"},
      {"0 0 1W * *", "2024-06-01T00:00:00Z", "2024-06-03T00:00:00Z"},
      {"0 0 * * 5L", "2024-01-01T00:00:00Z", "2024-01-26T00:00:00Z"},
      {"0 0 * * 2#3", "2024-01-01T00:00:00Z", "2024-01-16T00:00:00Z"},
      {"0 0 * * 7", "2024-01-01T00:00:00Z", "2024-01-07T00:00:00Z"},
      {"0 0 13 * fri", "2024-01-02T00:00:00Z", "2024-01-05T00:00:00Z"},
      {"0 0 29 2 *", "2024-03-01T00:00:00Z", "2028-02-29T00:00:00Z"},
      {"0 0 1 january ? 2030", "2024-01-01T00:00:00Z", "2030-01-01T00:00:00Z"},
      {"30 0 0 * * * *", "2024-01-01T00:00:00Z", "2024-01-01T00:00:30Z"},
      {"0 0 31 feb *", "2024-01-01T00:00:00Z", "never"},
      {"0 0 1 1 * 2020", "2024-01-01T00:00:00Z", "never"},
      {"@hourly", "2024-01-01T00:00:00Z", "2024-01-01T01:00:00Z"},
      {"@daily", "2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z"},
      {"@weekly", "2024-01-01T00:00:00Z", "2024-01-07T00:00:00Z"},
      {"@monthly", "2024-01-01T00:00:00Z", "2024-02-01T00:00:00Z"},
      {"@yearly", "2024-01-01T00:00:00Z", "2025-01-01T00:00:00Z"},
      {"@annually", "2024-01-01T00:00:00Z", "2025-01-01T00:00:00Z"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(cron_next(c.expression, c.after), c.next) << c.expression;
  }
}

TEST(Cron, RefusesWhatIsNone) {
  for (const char* bad : {"", "rubbish", "* * * *", "* * * * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *",
                          "* * * 13 *", "* * * * 8", "5-1 * * * *", "*/0 * * * *", "a * * * *", "1, * * * *",
                          "* * 32W * *", "* * * * 1#6", "@never", "-1 * * * *", "* * * * * 3000"}) {
    EXPECT_EQ(cron_next(bad, "2024-01-01T00:00:00Z"), fmt::format("invalid cron expression \"{}\"", bad));
  }
}

TEST(Cron, CommentsEndALine) {
  EXPECT_FALSE(*parse_cron_line("  # nothing"));
  EXPECT_TRUE(*parse_cron_line("0 1 * * * # at one"));
  EXPECT_FALSE(parse_cron_line("0 1 * # * *").ok());
}

}  // namespace
}  // namespace cairn::snapshot
