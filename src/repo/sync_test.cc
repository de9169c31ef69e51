#include "repo/sync.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "blob/memory/memory_storage.h"
#include "repo/repository.h"
#include "tests/support/faulty_storage.h"
#include "tests/support/test_repository.h"

namespace cairn::repo {
namespace {

class SyncTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(made_.status().ok());
    for (int i = 0; i < 5; ++i) {
      put(source(), "p" + std::to_string(i) + "0000000000000000000000000000000-s1", "pack " + std::to_string(i));
    }
    put(source(), "xn0_00-s1-c1", "index");
    put(source(), "kopia.maintenance", "first");
  }

  blob::Storage& source() { return *made_.storage(); }
  static void put(blob::Storage& s, const std::string& id, const std::string& text) {
    ASSERT_TRUE(s.put(BlobId(id), as_bytes(text), {}).ok());
  }
  static std::map<std::string, std::string> all(blob::Storage& s) {
    std::map<std::string, std::string> out;
    const auto blobs = s.list_all("", {});
    EXPECT_TRUE(blobs.ok());
    for (const auto& b : *blobs) {
      out[b.id.text] = std::string(s.get(b.id, {}, {})->text());
    }
    return out;
  }
  SyncResult sync(const SyncOptions& options = {}) {
    auto r = sync_repository(source(), *copy_, options, {}, {});
    EXPECT_TRUE(r.ok()) << r.status().message();
    return r.ok() ? *r : SyncResult();
  }

  test::FakeClock clock_;
  test::TestRepository made_{{}, clock_};
  std::shared_ptr<blob::Storage> copy_ = blob::make_memory_storage(clock_);
};

TEST_F(SyncTest, CopiesAllAndThenOnlyWhatIsNew) {
  SyncOptions o;
  o.parallel = 4;
  o.verify = true;
  EXPECT_EQ(sync(o).copied.blobs, 9);
  EXPECT_EQ(all(*copy_), all(source()));
  EXPECT_EQ(sync(o).copied.blobs, 0);
  put(source(), "p90-s2", "new");
  EXPECT_EQ(sync(o).copied.blobs, 1);
  EXPECT_EQ(all(*copy_), all(source()));
}

TEST_F(SyncTest, TimesAloneMeanNothing) {
  sync();
  clock_.advance(hours(5));
  put(source(), "p00000000000000000000000000000000-s1", "pack 0");
  EXPECT_EQ(sync().copied.blobs, 0);
}

TEST_F(SyncTest, ATornCopyIsReplaced) {
  sync();
  put(*copy_, "xn0_00-s1-c1", "ind");
  SyncOptions o;
  o.update = false;
  EXPECT_EQ(sync(o).different, 1);
  EXPECT_NE(all(*copy_), all(source()));
  EXPECT_EQ(sync().copied.blobs, 1);
  EXPECT_EQ(all(*copy_), all(source()));
}

TEST_F(SyncTest, RewrittenBlobsAreComparedByTheirBytes) {
  sync();
  put(source(), "kopia.maintenance", "other");
  EXPECT_EQ(sync().copied.blobs, 1);
  EXPECT_EQ(all(*copy_)["kopia.maintenance"], "other");
}

TEST_F(SyncTest, DeletesOnlyWhenAskedTo) {
  sync();
  put(*copy_, "zextra", "junk");
  EXPECT_EQ(sync().removed.blobs, 0);
  SyncOptions o;
  o.remove = o.dry_run = true;
  EXPECT_EQ(sync(o).to_remove.blobs, 1);
  EXPECT_TRUE(all(*copy_).contains("zextra"));
  o.dry_run = false;
  EXPECT_EQ(sync(o).removed.blobs, 1);
  EXPECT_EQ(all(*copy_), all(source()));
}

TEST_F(SyncTest, ADryRunWritesNothing) {
  SyncOptions o;
  o.dry_run = true;
  EXPECT_EQ(sync(o).to_copy.blobs, 9);
  EXPECT_TRUE(all(*copy_).empty());
}

TEST_F(SyncTest, RefusesOtherRepositoriesAndMissingOnes) {
  SyncOptions o;
  o.must_exist = true;
  EXPECT_EQ(sync_repository(source(), *copy_, o, {}, {}).status().message(),
            "destination repository does not have a format blob");
  test::TestRepository another{{}, clock_, copy_};
  EXPECT_EQ(sync_repository(source(), *copy_, {}, {}, {}).status().message(),
            "destination repository contains incompatible data");
  put(*copy_, "kopia.repository", "garbage");
  EXPECT_FALSE(sync_repository(source(), *copy_, {}, {}, {}).ok());
}

// Cut after each write: what is there never names what is not, and the next run completes it.
TEST_F(SyncTest, ACopyThatWasCutShortGoesOn) {
  for (int cut = 0; cut < 9; ++cut) {
    copy_ = blob::make_memory_storage(clock_);
    std::stop_source stop;
    SyncCallbacks callbacks;
    callbacks.on_copied = [&](const SyncResult& r) {
      if (r.copied.blobs > cut) {
        stop.request_stop();
      }
    };
    (void)sync_repository(source(), *copy_, {}, callbacks, stop.get_token());
    const auto there = all(*copy_);
    const auto packs = std::count_if(there.begin(), there.end(), [](const auto& b) { return b.first[0] == 'p'; });
    EXPECT_TRUE(packs == 5 || !there.contains("xn0_00-s1-c1"));
    EXPECT_TRUE(there.size() == 9 || !there.contains("kopia.repository"));
    sync();
    EXPECT_EQ(all(*copy_), all(source()));
  }
}

// Each call of either storage fails once: an error, never a copy that names what it does not have, and the next run
// completes it.
TEST_F(SyncTest, EveryStorageCallMayFail) {
  SyncOptions options;
  options.remove = options.verify = true;
  int points = 0;
  for (const bool of_source : {true, false}) {
    for (const test::Op op : {test::Op::list, test::Op::get, test::Op::put, test::Op::remove}) {
      for (int n = 1;; ++n) {
        copy_ = blob::make_memory_storage(clock_);
        put(*copy_, "p90000000000000000000000000000000-s1", "removed at the source");
        const auto faulty =
            std::make_shared<test::FaultyStorage>(of_source ? made_.storage() : std::shared_ptr<blob::Storage>(copy_));
        faulty->fail_nth(op, n);
        blob::Storage& from = of_source ? *faulty : source();
        blob::Storage& to = of_source ? *copy_ : *faulty;
        const auto result = sync_repository(from, to, options, {}, {});
        if (result.ok()) {
          EXPECT_EQ(faulty->count(op), n - 1) << "a failed call must not go unnoticed";
          EXPECT_EQ(all(*copy_), all(source()));
          break;
        }
        ++points;
        EXPECT_EQ(result.code(), Code::unavailable);
        const auto there = all(*copy_);
        const auto packs = std::count_if(there.begin(), there.end(),
                                         [](const auto& b) { return b.first[0] == 'p' && b.first[1] != '9'; });
        EXPECT_TRUE(packs == 5 || !there.contains("xn0_00-s1-c1")) << n;
        EXPECT_TRUE((packs == 5 && there.contains("xn0_00-s1-c1")) || !there.contains("kopia.repository")) << n;
        ASSERT_TRUE(sync_repository(source(), *copy_, options, {}, {}).ok());
        EXPECT_EQ(all(*copy_), all(source()));
      }
    }
  }
  EXPECT_GE(points, 9 + 9 + 9);
}

TEST_F(SyncTest, VerifyingNoticesACopyThatIsNotWhatWasWritten) {
  const auto lossy = std::make_shared<test::FaultyStorage>(copy_);
  lossy->lose_puts("p3");
  SyncOptions options;
  EXPECT_TRUE(sync_repository(source(), *lossy, options, {}, {}).ok()) << "nothing tells without it";
  copy_ = blob::make_memory_storage(clock_);
  const auto again = std::make_shared<test::FaultyStorage>(copy_);
  again->lose_puts("p3");
  options.verify = true;
  EXPECT_FALSE(sync_repository(source(), *again, options, {}, {}).ok());
  EXPECT_FALSE(all(*copy_).contains("kopia.repository"));
}

}  // namespace
}  // namespace cairn::repo
