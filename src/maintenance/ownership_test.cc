#include "maintenance/ownership.h"

#include <gtest/gtest.h>

namespace cairn::maintenance {
namespace {

constexpr Timestamp kNow = Timestamp::from_seconds(1'700'000'000);

Schedule with(std::string_view task, Timestamp start, Timestamp end, bool success = true) {
  Schedule s;
  s.add(task, {start, end, success, success ? "" : "failed", {}});
  return s;
}

TEST(Ownership, PodsAndContainersLookEphemeral) {
  for (const char* host : {"web-7c9d8b6f5d-x2x4z", "volsync-src-data-bx7kq", "0123456789ab"}) {
    EXPECT_TRUE(looks_ephemeral(host)) << host;
  }
  for (const char* host : {"maintenance", "volsync", "nas-01", "my-laptop", "db-0", "-x2x4z", "", "0123456789abc"}) {
    EXPECT_FALSE(looks_ephemeral(host)) << host;
  }
}

TEST(Ownership, ConcernsNameTheOwner) {
  Parameters p;
  EXPECT_EQ(owner_concerns(p, {}, kNow).size(), 1U);
  p.owner = "kopia@maintenance";
  EXPECT_TRUE(owner_concerns(p, {}, kNow).empty());
  p.owner = "root@mover-bx7kq";
  const auto concerns = owner_concerns(p, {}, kNow);
  ASSERT_EQ(concerns.size(), 1U);
  EXPECT_NE(concerns[0].find("root@mover-bx7kq"), std::string::npos);
}

TEST(Ownership, ThreeMissedIntervalsAreAConcern) {
  Parameters p;
  p.owner = "kopia@maintenance";
  Schedule s;
  s.next_full = s.next_quick = kNow - hours(48);
  EXPECT_TRUE(owner_concerns(p, s, kNow).empty());
  EXPECT_EQ(owner_concerns(p, s, kNow + seconds(1)).size(), 1U);
  p.full.enabled = false;
  EXPECT_EQ(owner_concerns(p, s, kNow).size(), 1U);
  p.quick.enabled = false;
  EXPECT_TRUE(owner_concerns(p, s, kNow).empty());
}

TEST(Ownership, AnOwnerThatNeverRanIsAConcernAfterThreeIntervals) {
  Parameters p;
  p.owner = "kopia@maintenance";
  p.written = kNow - hours(72);
  EXPECT_TRUE(owner_concerns(p, {}, kNow).empty());
  ASSERT_EQ(owner_concerns(p, {}, kNow + seconds(1)).size(), 1U);
  EXPECT_NE(owner_concerns(p, {}, kNow + seconds(1))[0].find("ever run"), std::string::npos);
  Schedule ran;
  ran.add(kSnapshotGc, {kNow, kNow, true, "", {}});
  EXPECT_TRUE(owner_concerns(p, ran, kNow + seconds(1)).empty());
}

TEST(Ownership, AFormerOwnerThatHasEndedIsNotWaitedFor) {
  Parameters p;
  p.owner = "a@x";
  p.change_owner("b@x", kNow);
  Schedule s = with(kSnapshotGc, kNow - hours(1), kNow - minutes(50));
  s.add(kCleanupLogs, {kNow - minutes(50), kNow - minutes(49), true, "", {}});
  EXPECT_FALSE(wait_for_former_owner(p, s, kNow - minutes(49), kNow));
  const Schedule failed = with(kSnapshotGc, kNow - hours(1), kNow - minutes(50), false);
  EXPECT_FALSE(wait_for_former_owner(p, failed, kNow - minutes(50), kNow));
  EXPECT_FALSE(wait_for_former_owner(p, {}, kNow, kNow));
}

TEST(Ownership, AFormerOwnerUnderWayIsWaitedFor) {
  Parameters p;
  p.owner = "a@x";
  p.change_owner("a@x", kNow);
  const Schedule between = with(kSnapshotGc, kNow - hours(1), kNow - minutes(50));
  EXPECT_FALSE(wait_for_former_owner(p, between, kNow - minutes(50), kNow));  // the same owner
  p.change_owner("b@x", kNow);
  EXPECT_EQ(wait_for_former_owner(p, between, kNow - minutes(50), kNow), kNow + hours(4));
  EXPECT_FALSE(wait_for_former_owner(p, between, kNow - minutes(50), kNow + hours(4)));
  // A run that has begun and recorded nothing yet.
  const Schedule ended = with(kCleanupLogs, kNow - hours(24), kNow - hours(23));
  EXPECT_TRUE(wait_for_former_owner(p, ended, kNow - minutes(5), kNow));
}

TEST(Ownership, TheFormerOwnerIsStored) {
  Parameters p;
  p.owner = "a@x";
  EXPECT_EQ(p.to_json().dump().find("cairn"), std::string::npos);
  p.change_owner("b@x", kNow);
  const auto back = Parameters::from_json(p.to_json());
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(back->former_owner, "a@x");
  EXPECT_EQ(back->owner_since, kNow);
}

}  // namespace
}  // namespace cairn::maintenance
