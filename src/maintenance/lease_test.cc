#include "maintenance/lease.h"

#include <gtest/gtest.h>

#include "tests/support/test_repository.h"

namespace cairn::maintenance {
namespace {

class LeaseTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto opened = made_.open();
    ASSERT_TRUE(opened.ok()) << opened.status().message();
    opened_ = std::move(*opened);
    lease_.emplace(*made_.storage(), *opened_.format, clock_);
    mine_.next_full = clock_.now() + hours(24);
    mine_.add(kSnapshotGc, {clock_.now(), clock_.now(), true, "", {}});
    ASSERT_TRUE(save_schedule(*made_.storage(), *opened_.format, mine_, {}).ok());
    lease_->hold(mine_);
  }

  void another_begins() {
    Schedule other = mine_;
    other.next_full = other.next_full + seconds(1);
    ASSERT_TRUE(save_schedule(*made_.storage(), *opened_.format, other, {}).ok());
  }

  test::FakeClock clock_;
  test::TestRepository made_{{}, clock_};
  test::TestRepository::Opened opened_;
  Schedule mine_;
  std::optional<Lease> lease_;
};

TEST_F(LeaseTest, IsHeldUntilAnotherWritesTheSchedule) {
  EXPECT_TRUE(lease_->renew({}).ok());
  for (int i = 0; i < 100; ++i) {
    clock_.advance(minutes(1));
    ASSERT_TRUE(lease_->check({}).ok());
  }
  another_begins();
  EXPECT_EQ(lease_->check({}).code(), Code::failed_precondition);
}

TEST_F(LeaseTest, WithinABatchALookOfTheLastHalfMinuteIsGoodEnough) {
  ASSERT_TRUE(lease_->check({}).ok());
  another_begins();
  clock_.advance(seconds(29));
  EXPECT_TRUE(lease_->check_in_batch({}).ok());
  clock_.advance(seconds(2));
  EXPECT_EQ(lease_->check_in_batch({}).code(), Code::failed_precondition);
}

// Not even when the other one's blob is gone again.
TEST_F(LeaseTest, IsLostForGood) {
  another_begins();
  EXPECT_EQ(lease_->renew({}).code(), Code::failed_precondition);
  ASSERT_TRUE(save_schedule(*made_.storage(), *opened_.format, mine_, {}).ok());
  EXPECT_EQ(lease_->check({}).code(), Code::failed_precondition);
  EXPECT_EQ(lease_->renew({}).code(), Code::failed_precondition);
}

TEST_F(LeaseTest, IsLostBySleep) {
  clock_.advance(hours(72));
  EXPECT_EQ(lease_->check({}).code(), Code::failed_precondition);
  EXPECT_EQ(lease_->check({}).code(), Code::failed_precondition);
}

TEST_F(LeaseTest, AClockSetBackMakesItLookAgain) {
  another_begins();
  clock_.advance(Duration{} - hours(1));
  EXPECT_EQ(lease_->check({}).code(), Code::failed_precondition);
}

TEST_F(LeaseTest, AScheduleThatCannotBeReadAllowsNothing) {
  ASSERT_TRUE(made_.storage()->put(BlobId(kScheduleBlob), as_bytes("garbage"), {}).ok());
  clock_.advance(minutes(1));
  EXPECT_EQ(lease_->check({}).code(), Code::corrupt);
}

TEST_F(LeaseTest, FencedStorageRemovesNothingWithoutIt) {
  ASSERT_TRUE(made_.storage()->put(BlobId("xn0_a"), as_bytes("a"), {}).ok());
  ASSERT_TRUE(made_.storage()->put(BlobId("xn0_b"), as_bytes("b"), {}).ok());
  const auto fenced = make_fenced_storage(*made_.storage(), *lease_);
  EXPECT_TRUE(fenced->remove(BlobId("xn0_a"), {}).ok());
  another_begins();
  EXPECT_EQ(fenced->remove(BlobId("xn0_b"), {}).code(), Code::failed_precondition);
  EXPECT_TRUE(made_.storage()->get(BlobId("xn0_b"), {}, {}).ok());
}

}  // namespace
}  // namespace cairn::maintenance
