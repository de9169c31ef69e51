#include "snapshot/time_filter.h"

#include <gtest/gtest.h>

#include "tests/support/golden.h"

namespace cairn::snapshot {
namespace {

using testing::ScopedTimeZone;

// Central Europe, spelled out so that no zone files are needed.
constexpr const char* kCentral = "CET-1CEST,M3.5.0,M10.5.0/3";

std::string limit(std::string_view text, std::string_view now = "2024-05-17T10:20:30Z") {
  auto f = SnapshotTimeFilter::parse(text, parse_rfc3339(now).value());
  if (!f.ok()) {
    return f.status().message();
  }
  return f->kind() == SnapshotTimeFilter::Kind::before ? rfc3339(f->limit()) : "not a limit";
}

TEST(SnapshotTime, WordsInUtc) {
  const ScopedTimeZone utc("UTC");
  EXPECT_EQ(limit("yesterday"), "2024-05-17T00:00:00Z");
  EXPECT_EQ(limit("last-month"), "2024-05-01T00:00:00Z");
  EXPECT_EQ(limit("last-year"), "2024-01-01T00:00:00Z");
  EXPECT_EQ(limit("1d-ago"), "2024-05-17T00:00:00Z");
  EXPECT_EQ(limit("3d-ago"), "2024-05-15T00:00:00Z");
  EXPECT_EQ(limit("1y-2mo-ago"), "2023-03-18T00:00:00Z");
  EXPECT_EQ(limit("1y-2m-3d-ago"), "2023-03-15T00:00:00Z");
  EXPECT_EQ(limit("9999y-ago"), "1677-09-21T00:12:43.145224193Z");
  EXPECT_EQ(limit("rubbish"), "Invalid time spec: rubbish");
  EXPECT_EQ(limit("1x-ago"), "Invalid time spec: 1x-ago");
  EXPECT_EQ(limit("1d-2"), "Invalid time spec: 1d-2");
}

TEST(SnapshotTime, TimestampsMeanTheEndOfTheirUnit) {
  const ScopedTimeZone utc("UTC");
  EXPECT_EQ(limit("2024"), "2025-01-01T00:00:00Z");
  EXPECT_EQ(limit("2024-3"), "2024-04-01T00:00:00Z");
  EXPECT_EQ(limit("2024-03-01"), "2024-03-02T00:00:00Z");
  EXPECT_EQ(limit("2024-12-31"), "2025-01-01T00:00:00Z");
  EXPECT_EQ(limit("2024-03-01 12:00"), "2024-03-01T12:01:00Z");
  EXPECT_EQ(limit("2024-03-01 12:00:00"), "2024-03-01T12:00:01Z");
  EXPECT_EQ(limit("2024-03-01T12:00:00Z"), "2024-03-01T12:00:01Z");
  EXPECT_EQ(limit("2024-3-1T12:00:00+05:45"), "2024-03-01T06:15:01Z");
  EXPECT_EQ(limit("2024-03-01T12"), "2024-03-01T13:00:00Z");
  EXPECT_EQ(limit("2024-03-02 01:59:59 UTC"), "2024-03-02T02:00:00Z");
  EXPECT_EQ(limit("2024-03-02 01:59:59.250 UTC"), "2024-03-02T01:59:59.251Z");
  for (const char* bad : {"2024-13", "2024-02-30", "2024-1-1 25:00", "2024-1-1T", "24-1-1", "2024-01-01 10:00 XYZ",
                          "2024 UTC", "2024-01-01x", "0001"}) {
    EXPECT_EQ(limit(bad), std::string("Invalid time spec: ") + bad);
  }
}

TEST(SnapshotTime, NoZoneIsLocal) {
  const ScopedTimeZone central(kCentral);
  EXPECT_EQ(limit("yesterday", "2024-05-16T22:30:00Z"), "2024-05-16T22:00:00Z");
  EXPECT_EQ(limit("2024-01-31"), "2024-01-31T23:00:00Z");
  EXPECT_EQ(limit("2024-07-01 10:00:00"), "2024-07-01T08:00:01Z");
  EXPECT_EQ(limit("2024-07-01 10:00:00 CEST"), "2024-07-01T08:00:01Z");
  EXPECT_EQ(limit("2024-07-01 10:00:00 CET"), "2024-07-01T09:00:01Z");
  EXPECT_EQ(limit("2024-07-01 10:00:00 UTC"), "2024-07-01T10:00:01Z");
}

TEST(SnapshotTime, FilterLooksAtTheNewestFirst) {
  const Timestamp now = Timestamp::from_seconds(1'700'000'000);
  const auto latest = SnapshotTimeFilter::parse("latest", now);
  EXPECT_TRUE(latest->accepts(now, 0, 3));
  EXPECT_FALSE(latest->accepts(now, 1, 3));
  const auto oldest = SnapshotTimeFilter::parse("oldest", now);
  EXPECT_FALSE(oldest->accepts(now, 0, 3));
  EXPECT_TRUE(oldest->accepts(now, 2, 3));
  const ScopedTimeZone utc("UTC");
  const auto before = SnapshotTimeFilter::parse("2023-11-14 22:13:19", now);
  EXPECT_FALSE(before->accepts(now, 0, 1));
  EXPECT_TRUE(before->accepts(now - seconds(1), 0, 1));
}

TEST(DisplayTime, ReadsWhatIsPrinted) {
  const ScopedTimeZone central(kCentral);
  for (const std::int64_t s : {1'700'000'000, 1'720'000'000}) {
    EXPECT_EQ(parse_display_time(display_time(Timestamp::from_seconds(s)))->unix_seconds(), s);
  }
  EXPECT_EQ(rfc3339(*parse_display_time("2024-03-01 10:00:00 UTC")), "2024-03-01T10:00:00Z");
  EXPECT_EQ(rfc3339(*parse_display_time("2024-03-01 10:00:00.5 +0545")), "2024-03-01T04:15:00.5Z");
}

TEST(DisplayTime, RefusesInTheWordsOfGo) {
  EXPECT_EQ(parse_display_time("rubbish").status().message(),
            "parsing time \"rubbish\" as \"2006-01-02 15:04:05 MST\": cannot parse \"rubbish\" as \"2006\"");
  EXPECT_EQ(
      parse_display_time("2024-03-01T10:00:00Z").status().message(),
      "parsing time \"2024-03-01T10:00:00Z\" as \"2006-01-02 15:04:05 MST\": cannot parse \"T10:00:00Z\" as \" \"");
  EXPECT_EQ(parse_display_time("2024-13-01 10:00:00 UTC").status().message(),
            "parsing time \"2024-13-01 10:00:00 UTC\": month out of range");
  EXPECT_FALSE(parse_display_time("2024-03-01 10:00:00").ok());
}

}  // namespace
}  // namespace cairn::snapshot
