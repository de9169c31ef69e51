#include "snapshot/retention.h"

#include <gtest/gtest.h>

#include <map>

#include "tests/support/golden.h"
#include "tests/support/memory_manifests.h"

namespace cairn::snapshot {
namespace {

using testing::ScopedTimeZone;

Timestamp at(const std::string& text) { return parse_rfc3339("2020-" + text + ":00Z").value(); }

// Times as "MM-DDThh:mm" of 2020 UTC; a leading '?' is an incomplete snapshot. "reasons" joined by commas.
std::map<std::string, std::string> reasons_of(const RetentionPolicy& policy, const std::vector<std::string>& times) {
  std::vector<RetentionItem> items;
  for (const std::string& t : times) {
    const bool incomplete = t.starts_with('?');
    const Timestamp start = at(incomplete ? t.substr(1) : t);
    items.push_back({start, start + seconds(5), incomplete});
  }
  const auto reasons = retention_reasons(policy, items);
  std::map<std::string, std::string> out;
  for (std::size_t i = 0; i < times.size(); ++i) {
    std::string joined;
    for (const std::string& r : reasons[i]) {
      joined += (joined.empty() ? "" : ",") + r;
    }
    if (!joined.empty()) {
      out[times[i]] = joined;
    }
  }
  return out;
}

using Reasons = std::map<std::string, std::string>;

TEST(Retention, WithoutSettingsEverythingIsKept) {
  EXPECT_EQ(reasons_of({}, {"01-01T12:00", "01-01T12:01", "01-01T12:02", "01-01T12:03"}),
            (Reasons{{"01-01T12:00", "latest-4"},
                     {"01-01T12:01", "latest-3"},
                     {"01-01T12:02", "latest-2"},
                     {"01-01T12:03", "latest-1"}}));
  RetentionPolicy zeros;
  zeros.keep_latest = 0;
  zeros.keep_daily = 0;
  EXPECT_EQ(reasons_of(zeros, {"01-01T12:00"}), (Reasons{{"01-01T12:00", "latest-1"}}));
}

TEST(Retention, Latest) {
  RetentionPolicy p;
  p.keep_latest = 3;
  EXPECT_EQ(reasons_of(p, {"01-01T12:00", "01-01T12:01", "01-01T12:02", "01-01T12:03"}),
            (Reasons{{"01-01T12:01", "latest-3"}, {"01-01T12:02", "latest-2"}, {"01-01T12:03", "latest-1"}}));
}

TEST(Retention, Daily) {
  RetentionPolicy p;
  p.keep_daily = 3;
  EXPECT_EQ(reasons_of(p, {"01-01T12:00", "01-01T15:00", "01-02T12:00", "01-02T15:00", "01-03T12:00", "01-03T15:00",
                           "01-04T12:00", "01-04T15:00"}),
            (Reasons{{"01-02T15:00", "daily-3"}, {"01-03T15:00", "daily-2"}, {"01-04T15:00", "daily-1"}}));
}

TEST(Retention, Monthly) {
  RetentionPolicy p;
  p.keep_monthly = 3;
  std::vector<std::string> times{"01-01T12:00", "01-01T15:00", "02-01T12:00", "02-02T15:00",
                                 "03-01T12:00", "03-02T15:00", "04-01T12:00", "04-02T15:00"};
  EXPECT_EQ(reasons_of(p, times),
            (Reasons{{"02-02T15:00", "monthly-3"}, {"03-02T15:00", "monthly-2"}, {"04-02T15:00", "monthly-1"}}));
  times.erase(times.begin() + 2, times.begin() + 4);
  EXPECT_EQ(reasons_of(p, times), (Reasons{{"03-02T15:00", "monthly-2"}, {"04-02T15:00", "monthly-1"}}));
}

TEST(Retention, Weekly) {
  RetentionPolicy p;
  p.keep_weekly = 3;
  EXPECT_EQ(reasons_of(p, {"01-01T12:00", "01-01T15:00", "01-08T12:00", "01-09T12:00", "01-15T12:00"}),
            (Reasons{{"01-01T15:00", "weekly-3"}, {"01-09T12:00", "weekly-2"}, {"01-15T12:00", "weekly-1"}}));
}

TEST(Retention, ManyKindsAndIncompleteOnesByAge) {
  RetentionPolicy p;
  p.keep_latest = 3;
  p.keep_hourly = 7;
  p.keep_daily = 5;
  p.keep_monthly = 2;
  std::vector<std::string> times;
  for (const char* month : {"01", "02", "03", "04"}) {
    for (const char* day : {"01", "02"}) {
      for (const char* hour : {"12", "13", "15"}) {
        times.push_back(fmt::format("{}-{}T{}:00", month, day, hour));
      }
    }
  }
  for (const char* t : {"15:01", "16:01", "17:01", "18:01", "19:01", "20:01", "21:01", "22:01", "23:01", "23:50"}) {
    times.push_back(std::string("?04-02T") + t);
  }
  EXPECT_EQ(reasons_of(p, times), (Reasons{{"03-02T15:00", "monthly-2"},
                                           {"04-01T15:00", "daily-2"},
                                           {"04-02T12:00", "latest-3,hourly-3"},
                                           {"04-02T13:00", "latest-2,hourly-2"},
                                           {"04-02T15:00", "latest-1,hourly-1,daily-1,monthly-1"},
                                           {"?04-02T20:01", "incomplete"},
                                           {"?04-02T21:01", "incomplete"},
                                           {"?04-02T22:01", "incomplete"},
                                           {"?04-02T23:01", "incomplete"},
                                           {"?04-02T23:50", "incomplete"}}));
}

TEST(Retention, IncompleteOnesByCount) {
  RetentionPolicy p;
  p.keep_latest = 3;
  EXPECT_EQ(reasons_of(p, {"04-02T15:00", "?04-02T15:01", "?04-02T16:01", "?04-02T17:01", "?04-02T18:01",
                           "?04-02T19:01", "?04-02T23:50"}),
            (Reasons{{"04-02T15:00", "latest-1"},
                     {"?04-02T18:01", "incomplete"},
                     {"?04-02T19:01", "incomplete"},
                     {"?04-02T23:50", "incomplete"}}));
}

TEST(Retention, AMonthCanHideAWeek) {
  RetentionPolicy p;
  p.keep_monthly = 12;
  p.keep_weekly = 50;
  EXPECT_EQ(reasons_of(p, {"05-15T12:00", "05-01T12:00", "01-29T12:00", "01-22T12:00"}),
            (Reasons{{"05-15T12:00", "weekly-1,monthly-1"},
                     {"05-01T12:00", "weekly-2"},
                     {"01-29T12:00", "monthly-2"},
                     {"01-22T12:00", "weekly-3"}}));
}

TEST(Retention, WeeksAreThoseOfTheLocalZone) {
  RetentionPolicy p;
  p.keep_weekly = 5;
  const std::vector<std::string> times{"01-13T03:00", "01-12T12:00"};
  {
    const ScopedTimeZone utc("UTC");
    EXPECT_EQ(reasons_of(p, times), (Reasons{{"01-13T03:00", "weekly-1"}, {"01-12T12:00", "weekly-2"}}));
  }
  const ScopedTimeZone west("PST8PDT,M3.2.0,M11.1.0");
  EXPECT_EQ(reasons_of(p, times), (Reasons{{"01-13T03:00", "weekly-1"}}));
}

TEST(Retention, HugeNegativeAndNoNumbers) {
  RetentionPolicy p;
  p.keep_latest = -1;
  p.keep_annual = std::int64_t{1} << 60;
  p.keep_hourly = std::int64_t{1} << 62;
  EXPECT_EQ(reasons_of(p, {"01-01T12:00"}), (Reasons{{"01-01T12:00", "hourly-1,annual-1"}}));
  EXPECT_TRUE(reasons_of(p, {}).empty());
  EXPECT_EQ(reasons_of(p, {"?01-01T12:00"}), (Reasons{{"?01-01T12:00", "incomplete"}}));
}

TEST(Retention, ExpiryRespectsPins) {
  SnapshotManifest s;
  EXPECT_TRUE(is_expired(s));
  s.pins = {"keep"};
  EXPECT_FALSE(is_expired(s));
  s.pins.clear();
  s.retention_reasons = {"latest-1"};
  EXPECT_FALSE(is_expired(s));
}

TEST(Retention, DisplayJoinsConsecutiveNumbers) {
  using V = std::vector<std::string>;
  const auto compact = [](const V& v) { return compact_retention_reasons(v); };
  EXPECT_EQ(compact({"latest-2", "latest-1"}), (V{"latest-1..2"}));
  EXPECT_EQ(compact({"latest-1", "latest-2", "latest-5", "latest-6", "latest-7"}), (V{"latest-1..2", "latest-5..7"}));
  EXPECT_EQ(compact({"daily-9", "daily-10", "odd", "latest-x", "hourly-3"}),
            (V{"odd", "latest-x", "hourly-3", "daily-9..10"}));
}

// Reasons as the real program printed them.
TEST(RetentionGolden, ReasonsOfARealRepository) {
  const ScopedTimeZone utc("UTC");
  const Json expected = testing::golden_json("repos/history-before.expected.json");
  std::map<std::string, std::vector<SnapshotManifest>> by_source;
  std::map<std::string, std::vector<std::string>> wanted;
  for (const Json& j : expected["snapshots"].items()) {
    manifest::Manifest m;
    m.metadata.id = j["id"].as_string();
    m.payload = j;
    auto s = SnapshotManifest::from_manifest(m);
    ASSERT_TRUE(s.ok()) << s.status().message();
    for (const Json& r : j["retentionReason"].items()) {
      wanted[s->id].push_back(r.as_string());
    }
    by_source[s->source.text()].push_back(*s);
  }
  ASSERT_GE(by_source.size(), 3U);
  for (auto& [source, snapshots] : by_source) {
    const Json& effective = expected["effective_policies"][source];
    if (effective.is_null()) {
      continue;
    }
    compute_retention_reasons(Policy::from_json(effective)->retention, snapshots);
    for (const SnapshotManifest& s : snapshots) {
      EXPECT_EQ(s.retention_reasons, wanted[s.id]) << source << " " << s.id;
    }
  }
}

}  // namespace
}  // namespace cairn::snapshot
