#include "maintenance/continuation.h"

#include <gtest/gtest.h>

#include "maintenance/run.h"

namespace cairn::maintenance {
namespace {

Run run(std::int64_t start, std::int64_t end, bool success = true) {
  return {Timestamp::from_seconds(start), Timestamp::from_seconds(end), success, success ? "" : "broken", {}};
}

TEST(CutOffRun, IsWhatEndedWithoutItsLastTask) {
  const auto at = [](std::int64_t s) { return Timestamp::from_seconds(s); };
  Schedule s;
  EXPECT_FALSE(find_cut_off_run(s, at(100)));
  s.add(kCleanupLogs, run(10, 11));
  s.add(kSnapshotGc, run(50, 100));
  auto found = find_cut_off_run(s, at(200));
  ASSERT_TRUE(found);
  EXPECT_EQ(found->finished, (std::set<std::string, std::less<>>{std::string(kSnapshotGc)}));
  EXPECT_EQ(found->last_record, at(100));
  s.add(kFullRewrite, run(101, 150));
  found = find_cut_off_run(s, at(200));
  ASSERT_TRUE(found);
  EXPECT_TRUE(found->finished.contains(kFullRewrite));
  EXPECT_EQ(found->last_record, at(150));
  EXPECT_FALSE(find_cut_off_run(s, at(100 + 4 * 3600 + 1))) << "too old";
  Schedule failed = s;
  failed.add(kFullDeleteBlobs, run(151, 160, false));
  EXPECT_FALSE(find_cut_off_run(failed, at(200))) << "ended by itself";
  s.add(kCleanupLogs, run(170, 171));
  EXPECT_FALSE(find_cut_off_run(s, at(200))) << "complete";
}

TEST(CutOffRun, IsNotContinuedWhenItTookMarksBack) {
  Schedule s;
  maintenance::Run gc = run(50, 100);
  gc.extra = Json::array({Json::object(
      {{"kind", "snapshotGCStats"}, {"data", Json::object({{"recoveredContentCount", std::int64_t{1}}})}})});
  s.add(kSnapshotGc, std::move(gc));
  EXPECT_FALSE(find_cut_off_run(s, Timestamp::from_seconds(200)));
}

TEST(CutOffRun, IsDueByItselfAfterAnHourOfQuiet) {
  Parameters p;
  p.owner = "me@here";
  Schedule s;
  s.next_full = s.next_quick = Timestamp::from_seconds(1'000'000);
  s.add(kSnapshotGc, run(50, 100));
  EXPECT_EQ(due_mode(p, s, p.owner, Timestamp::from_seconds(3000)), Mode::none);
  EXPECT_EQ(due_mode(p, s, p.owner, Timestamp::from_seconds(3701)), Mode::full);
  EXPECT_EQ(due_mode(p, s, "other@here", Timestamp::from_seconds(3701)), Mode::none);
}

}  // namespace
}  // namespace cairn::maintenance
