#include "base/time.h"

#include <gtest/gtest.h>

#include "base/units.h"

namespace cairn {
namespace {

TEST(Time, Rfc3339DropsTrailingZeros) {
  EXPECT_EQ(rfc3339(Timestamp{0}), "1970-01-01T00:00:00Z");
  EXPECT_EQ(rfc3339(Timestamp{1'500'000'000}), "1970-01-01T00:00:01.5Z");
  EXPECT_EQ(rfc3339(Timestamp{-1}), "1969-12-31T23:59:59.999999999Z");
  EXPECT_EQ(rfc3339(Timestamp::zero()), "0001-01-01T00:00:00Z");
}

TEST(Time, Rfc3339AnyOffset) {
  EXPECT_EQ(parse_rfc3339("2026-08-22T10:00:00.123456789+02:00")->ns,
            parse_rfc3339("2026-08-22T08:00:00.123456789Z")->ns);
  EXPECT_EQ(rfc3339(*parse_rfc3339("2024-02-29T23:59:59Z")), "2024-02-29T23:59:59Z");
  for (const char* bad : {"", "2026-08-22", "2026-13-01T00:00:00Z", "2026-02-30T00:00:00Z", "2026-01-01T25:00:00Z",
                          "2026-01-01T00:00:00"}) {
    EXPECT_EQ(parse_rfc3339(bad).code(), Code::invalid_argument) << bad;
  }
}

TEST(Time, SecondsFloor) {
  EXPECT_EQ(Timestamp{-1}.unix_seconds(), -1);
  EXPECT_EQ(Timestamp{-1}.sub_second_ns(), 999'999'999);
  EXPECT_EQ(Timestamp{1'000'000'001}.unix_seconds(), 1);
}

TEST(Time, CivilFieldsNormalise) {
  CivilTime c;
  c.year = 2026;
  c.month = 2;
  c.day = 31;
  EXPECT_EQ(rfc3339(from_civil_utc(c)), "2026-03-03T00:00:00Z");
  c.month = 14;
  c.day = 0;
  EXPECT_EQ(rfc3339(from_civil_utc(c)), "2027-01-31T00:00:00Z");
}

TEST(Time, IsoWeeksAtTheTurnOfTheYear) {
  const auto week = [](const char* day) {
    return iso_week(civil_utc(*parse_rfc3339(std::string(day) + "T00:00:00Z")));
  };
  EXPECT_EQ(week("2021-01-03").year, 2020);
  EXPECT_EQ(week("2021-01-03").week, 53);
  EXPECT_EQ(week("2021-01-04").week, 1);
  EXPECT_EQ(week("2024-12-30").year, 2025);
  EXPECT_EQ(week("2024-12-30").week, 1);
}

TEST(Time, GoDurations) {
  EXPECT_EQ(go_duration({0}), "0s");
  EXPECT_EQ(go_duration(milliseconds(350)), "350ms");
  EXPECT_EQ(go_duration(milliseconds(1500)), "1.5s");
  EXPECT_EQ(go_duration(hours(1)), "1h0m0s");
  EXPECT_EQ(go_duration(seconds(-90)), "-1m30s");
  EXPECT_EQ(*parse_go_duration("1h30m"), minutes(90));
  EXPECT_EQ(*parse_go_duration("-1.5s"), milliseconds(-1500));
  EXPECT_EQ(*parse_go_duration("2d"), hours(48));
  EXPECT_EQ(*parse_go_duration("1w"), hours(168));
  EXPECT_EQ(*parse_go_duration("0"), Duration{});
  for (const char* bad : {"", "5", "s", "1x", "h1", "1h-2m", "99999999h"}) {
    EXPECT_EQ(parse_go_duration(bad).code(), Code::invalid_argument) << bad;
  }
}

TEST(Units, BytesInBase10) {
  const std::pair<std::int64_t, const char*> cases[] = {
      {0, "0 B"},          {899, "899 B"},           {900, "0.9 KB"},
      {1000, "1 KB"},      {1'234'567, "1.2 MB"},    {21'000'000, "21 MB"},
      {950'000, "0.9 MB"}, {1'100'000'000, "1.1 GB"}};
  for (const auto& [bytes, text] : cases) {
    EXPECT_EQ(bytes_text(bytes), text);
  }
}

TEST(Units, BytesInBase2WhenChosen) {
  set_bytes_base2(true);
  EXPECT_EQ(bytes_text(1024), "1 KiB");
  EXPECT_EQ(bytes_text(5 << 20), "5 MiB");
  set_bytes_base2(false);
  EXPECT_EQ(bytes_text(1000), "1 KB");
}

TEST(Units, FloatsAsGoPrintsThem) {
  const std::pair<double, const char*> cases[] = {
      {0, "0"},       {2, "2"}, {2.5, "2.5"}, {0.0001, "0.0001"}, {0.00001, "1e-05"}, {1e20, "100000000000000000000"},
      {1e21, "1e+21"}};
  for (const auto& [value, text] : cases) {
    EXPECT_EQ(float_text(value), text);
  }
}

TEST(Units, TextHelpers) {
  EXPECT_EQ(trim(" \t a b\n"), "a b");
  EXPECT_TRUE(equals_ignore_case("AbC", "aBc"));
  EXPECT_FALSE(equals_ignore_case("ab", "abc"));
  EXPECT_EQ(to_lower("ÄbC"), "Äbc");
  EXPECT_EQ(count_text(1200), "1.2 K");
}

}  // namespace
}  // namespace cairn
