#include "snapshot/replicate.h"

#include <atomic>

#include "snapshot/restore_test_support.h"

namespace cairn::snapshot {
namespace {

const SourceInfo kSource{"lab", "alice", "/data"};

class ReplicateTest : public test::RestoreFixture {
 protected:
  void SetUp() override {
    RestoreFixture::SetUp();
    other_storage_ = blob::make_memory_storage();
    ASSERT_TRUE(repo::create(*other_storage_, "another password", {}, {}).ok());
    auto opened = repo::Repository::open_direct(other_storage_, "another password", {}, {}, {}, {});
    ASSERT_TRUE(opened.ok());
    other_ = std::move(*opened);
  }
  Result<ReplicateResult> run(const ReplicateOptions& options = {}) {
    return replicate(*repository_, *other_, {kSource}, options,
                     {.on_snapshot = [](const SnapshotManifest&) {},
                      .on_error = [](const SnapshotManifest&, const Status&) {},
                      .on_expired = [](const SnapshotManifest&) {},
                      .on_file = [this](std::int64_t) { ++files_; }},
                     {});
  }
  std::size_t there() {
    auto s = snapshots_of(other_->manifests(), kSource, {});
    EXPECT_TRUE(s.ok());
    return s.ok() ? s->size() : 0;
  }
  void keep_latest(std::int64_t n) {
    Policy policy;
    policy.retention.keep_latest = n;
    policy.retention.keep_hourly = policy.retention.keep_daily = policy.retention.keep_weekly =
        policy.retention.keep_monthly = policy.retention.keep_annual = 0;
    ASSERT_TRUE(set_policy(other_->manifests(), kSource, policy, {}).ok());
    ASSERT_TRUE(other_->flush({}).ok());
  }
  DirEntry day(int n) { return directory("data", {file("a", "constant"), file("b", std::to_string(n))}); }

  std::shared_ptr<blob::Storage> other_storage_;
  std::unique_ptr<repo::Repository> other_;
  std::atomic<int> files_{0};  // reported by on_file
};

TEST_F(ReplicateTest, ExpiryAtTheSourceLeavesTheCopy) {
  const std::string first = save(day(1));
  save(day(2), "/data", test::kEntryTime + hours(24));
  save(day(3), "/elsewhere");
  auto result = run({.verify = true});
  ASSERT_TRUE(result.ok()) << result.status().message();
  EXPECT_EQ(result->copied, 2);
  EXPECT_EQ(result->verified, 2);
  ASSERT_TRUE(delete_snapshot(repository_->manifests(), first, {}).ok());
  flush();
  result = run({.expire = true});
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->copied, 0);
  EXPECT_EQ(result->present, 1);
  EXPECT_EQ(there(), 2U);
}

TEST_F(ReplicateTest, FilesOfTheLastCopyAreNotReadAgain) {
  const DirEntry constant = file("a", std::string(100'000, 'x'));
  save(directory("data", {constant, file("b", "1")}));
  ASSERT_TRUE(run().ok());
  EXPECT_EQ(files_, 2);
  // A reading of the file would fail now.
  damage(constant.obj);
  reopen();
  save(directory("data", {constant, file("b", "2")}), "/data", test::kEntryTime + hours(24));
  const auto result = run({.verify = true});
  ASSERT_TRUE(result.ok()) << result.status().message();
  EXPECT_EQ(result->copied, 1);
  EXPECT_EQ(there(), 2U);
  EXPECT_EQ(files_, 3);
}

TEST_F(ReplicateTest, TheDestinationsPolicyDecides) {
  for (int n = 0; n < 5; ++n) {
    save(day(n), "/data", test::kEntryTime + hours(24 * n));
  }
  keep_latest(2);
  auto dry = run({.dry_run = true});
  ASSERT_TRUE(dry.ok());
  EXPECT_EQ(dry->copied, 2);
  EXPECT_EQ(there(), 0U);
  auto result = run();
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->copied, 2);
  EXPECT_EQ(result->not_kept, 3);
  keep_latest(1);
  result = run({.expire = true});
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->expired, 1);
  EXPECT_EQ(there(), 1U);
  // What the policy does not keep does not come back.
  result = run();
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->copied, 0);
  result = run({.retention = false});
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->copied, 4);
}

TEST_F(ReplicateTest, TimesChoose) {
  for (int n = 0; n < 4; ++n) {
    save(day(n), "/data", test::kEntryTime + hours(24 * n));
  }
  const auto result = run({.after = test::kEntryTime + hours(24), .before = test::kEntryTime + hours(72)});
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->copied, 2);
}

TEST_F(ReplicateTest, NothingExpiresAfterAFailure) {
  const DirEntry bad = file("bad", "will be damaged");
  save(day(1));
  save(day(2), "/data", test::kEntryTime + hours(24));
  ASSERT_TRUE(run().ok());
  save(directory("data", {bad}), "/data", test::kEntryTime + hours(48));
  damage(bad.obj);
  reopen();
  keep_latest(1);
  EXPECT_FALSE(run({.expire = true}).ok());
  EXPECT_EQ(there(), 2U);
}

TEST_F(ReplicateTest, TheSameRepositoryIsRefused) {
  EXPECT_EQ(replicate(*repository_, *repository_, {kSource}, {}, {}, {}).code(), Code::failed_precondition);
}

}  // namespace
}  // namespace cairn::snapshot
