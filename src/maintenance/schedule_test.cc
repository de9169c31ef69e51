#include "maintenance/schedule.h"

#include <gtest/gtest.h>

#include "maintenance/parameters.h"
#include "maintenance/safety.h"

namespace cairn::maintenance {
namespace {

Timestamp at(const std::string& hhmm) { return *parse_rfc3339("2024-03-05T" + hhmm + ":00Z"); }

Run run(const std::string& from, const std::string& to, bool success = true) {
  Run r;
  r.start = at(from);
  r.end = at(to);
  r.success = success;
  return r;
}

Schedule gc_runs(const std::vector<Run>& oldest_first) {
  Schedule s;
  for (const Run& r : oldest_first) {
    s.add(kSnapshotGc, r);
  }
  return s;
}

TEST(Schedule, TextIsThatOfTheOriginal) {
  Schedule s;
  s.next_full = *parse_rfc3339("2024-03-06T06:00:00Z");
  s.next_quick = *parse_rfc3339("2024-03-05T07:00:00Z");
  EXPECT_EQ(
      s.to_json().dump(),
      R"({"nextFullMaintenance":"2024-03-06T06:00:00Z","nextQuickMaintenance":"2024-03-05T07:00:00Z","runs":null})");
}

TEST(Schedule, KeepsTasksItDoesNotKnow) {
  const std::string text =
      R"({"nextFullMaintenance":"0001-01-01T00:00:00Z","nextQuickMaintenance":"2024-03-05T07:00:00Z","runs":)"
      R"({"other":[{"start":"2024-03-05T07:00:00Z","end":"2024-03-05T07:00:01Z","error":"e",)"
      R"("extra":[{"kind":"k","data":{"x":1}}]}]}})";
  const auto json = Json::parse(text);
  ASSERT_TRUE(json.ok());
  auto s = Schedule::from_json(*json);
  ASSERT_TRUE(s.ok()) << s.status().message();
  EXPECT_EQ(s->to_json().dump(), text);
}

TEST(Schedule, KeepsFiftyRunsOfATask) {
  Schedule s;
  for (int i = 0; i < 60; ++i) {
    auto r = run("07:00", "07:01");
    r.error = std::to_string(i);
    s.add("t", r);
  }
  ASSERT_EQ(s.runs["t"].size(), kRunsPerTaskMax);
  EXPECT_EQ(s.runs["t"].front().error, "59");
}

TEST(Schedule, WrongTimesAreErrors) {
  const auto json = Json::parse(R"({"nextFullMaintenance":"soon"})");
  ASSERT_TRUE(json.ok());
  EXPECT_FALSE(Schedule::from_json(*json).ok());
}

// kopia-model §11.4.
TEST(Safety, DropTime) {
  const auto seven = run("07:00", "07:15"), nine = run("09:00", "09:15"), thirteen = run("13:00", "13:15");
  const Safety full = Safety::full();
  const Timestamp now = at("14:00");
  EXPECT_EQ(safe_drop_time({}, full, now), std::nullopt);
  EXPECT_EQ(safe_drop_time(gc_runs({thirteen}), full, now), std::nullopt);
  EXPECT_EQ(safe_drop_time(gc_runs({seven, nine}), full, now), std::nullopt);
  EXPECT_EQ(safe_drop_time(gc_runs({seven, thirteen}), full, now), at("06:00"));
  EXPECT_EQ(safe_drop_time(gc_runs({seven, nine, thirteen}), full, now), at("06:00"));
  EXPECT_EQ(safe_drop_time(gc_runs({run("07:00", "07:15", false), nine, thirteen}), full, now), std::nullopt);
  EXPECT_EQ(safe_drop_time({}, Safety::none(), now), now);
}

TEST(Safety, Rewrite) {
  struct Case {
    std::vector<std::pair<std::string_view, std::string>> runs;
    bool full, quick;
  };
  const Case cases[] = {
      {{}, true, true},
      {{{kQuickDeleteBlobs, "07:15"}, {kFullDeleteBlobs, "07:00"}}, true, true},
      {{{kQuickDeleteBlobs, "07:00"}, {kFullRewrite, "07:15"}}, false, false},
      {{{kQuickDeleteBlobs, "07:00"}, {kQuickRewrite, "07:15"}}, true, false},
      {{{kQuickDeleteBlobs, "07:15"}, {kFullRewrite, "07:00"}}, true, true},
  };
  for (const Case& c : cases) {
    Schedule s;
    for (const auto& [task, time] : c.runs) {
      s.add(task, run(time, time));
    }
    EXPECT_EQ(may_rewrite(s, Safety::full(), true), c.full);
    EXPECT_EQ(may_rewrite(s, Safety::full(), false), c.quick);
    EXPECT_TRUE(may_rewrite(s, Safety::none(), true));
  }
}

TEST(Safety, OrphansWaitAnHourAfterARewrite) {
  Schedule s;
  EXPECT_TRUE(may_delete_blobs(s, Safety::full(), at("07:00")));
  s.add(kFullRewrite, run("07:00", "07:15"));
  EXPECT_FALSE(may_delete_blobs(s, Safety::full(), at("08:14")));
  EXPECT_TRUE(may_delete_blobs(s, Safety::full(), at("08:15")));
  EXPECT_TRUE(may_delete_blobs(s, Safety::none(), at("07:15")));
}

TEST(Parameters, TextIsThatOfTheOriginal) {
  Parameters p;
  p.owner = "user@host";
  const std::string text =
      R"({"owner":"user@host","quick":{"enabled":true,"interval":3600000000000},"full":{"enabled":true,)"
      R"("interval":86400000000000},"logRetention":{"maxTotalSize":1073741824,"maxCount":10000,)"
      R"("maxAge":2592000000000000},"extendObjectLocks":false,"listParallelism":0})";
  EXPECT_EQ(p.to_json().dump(), text);
  const auto json = Json::parse(text);
  ASSERT_TRUE(json.ok());
  const auto read = Parameters::from_json(*json);
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->to_json().dump(), text);
}

TEST(Parameters, WrongTypesAreErrors) {
  for (const char* text : {R"([])", R"({"quick":{"enabled":"yes"}})", R"({"full":{"interval":"1h"}})",
                           R"({"logRetention":{"maxAge":"30d"}})", R"({"listParallelism":true})"}) {
    const auto json = Json::parse(text);
    ASSERT_TRUE(json.ok());
    EXPECT_FALSE(Parameters::from_json(*json).ok()) << text;
  }
}

}  // namespace
}  // namespace cairn::maintenance
