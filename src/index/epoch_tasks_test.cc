#include "index/epoch_tasks.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>

#include "base/random.h"
#include "blob/memory/memory_storage.h"
#include "crypto/hash.h"
#include "index/epoch_merge.h"
#include "index/epoch_sets.h"
#include "tests/support/test_repository.h"

namespace cairn::index {
namespace {

// The index blobs of a repository alone, on a clock that the test moves.
class EpochTasks : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(made_.status().ok());
    auto format = format::FormatManager::open(made_.storage(), test::kTestPassword, {}, {});
    ASSERT_TRUE(format.ok());
    const auto p = (*format)->current();
    auto crypto = format::UnitCrypto::create(*p);
    ASSERT_TRUE(crypto.ok());
    crypto_ = std::move(*crypto);
    parameters_ = p->epoch;
    version_ = p->index_version;
    epochs_ = make_epoch_manager(
        made_.storage(), crypto_, [this] { return parameters_; }, clock_);
  }

  EpochTaskContext context() { return {*made_.storage(), *crypto_, *epochs_, parameters_, version_}; }
  EpochState state() {
    epochs_->invalidate();
    auto s = epochs_->state({});
    EXPECT_TRUE(s.ok()) << s.status().message();
    return s.ok() ? *s : EpochState();
  }

  // One client's flush: `entries` new contents.
  void flush(int entries) {
    IndexBuilder builder;
    const std::string pack = "p" + random_hex(16) + "-s" + random_hex(8) + "100";
    for (int i = 0; i < entries; ++i) {
      HashValue h;
      h.size = 16;
      random_bytes(MutByteView(h.bytes.data(), 16));
      Entry e;
      e.id = ContentId::make(0, h);
      e.pack = pack;
      e.pack_offset = static_cast<std::uint32_t>(i) * 1000;
      e.packed_length = 1000;
      e.original_length = 972;
      e.timestamp_seconds = clock_.now().unix_seconds();
      e.format_version = 3;
      builder.add(e);
      written_.push_back(e.id);
    }
    auto shards = builder.build(version_);
    ASSERT_TRUE(shards.ok());
    ASSERT_TRUE(epochs_->write(std::move(*shards), "s" + random_hex(8) + "100", {}).ok());
  }

  std::size_t live() {
    auto active = epochs_->active({});
    EXPECT_TRUE(active.ok());
    return active->blobs.size();
  }

  // Every content ever written is in a blob that Kopia would read.
  void expect_all_visible() {
    auto active = epochs_->active({});
    ASSERT_TRUE(active.ok());
    IndexBuilder all;
    for (std::size_t i = 0; i < active->primary_count; ++i) {
      const auto stored = made_.storage()->get(active->blobs[i].id, {}, {});
      ASSERT_TRUE(stored.ok());
      auto reader = open_index_blob(*crypto_, active->blobs[i].id, stored->view());
      ASSERT_TRUE(reader.ok());
      for (std::size_t n = 0; n < reader->size(); ++n) {
        all.add(*reader->at(n));
      }
    }
    EXPECT_EQ(all.size(), written_.size());
    for (const ContentId& id : written_) {
      ASSERT_TRUE(all.find(id).has_value());
    }
  }

  void quick() {
    while (single_compaction_candidate(state())) {
      ASSERT_TRUE(compact_single_epoch(context(), state(), {}).ok());
    }
    const auto merged = merge_small_indexes(context(), clock_.now(), {});
    ASSERT_TRUE(merged.ok()) << merged.status().message();
    ASSERT_TRUE(advance_epoch(context(), state(), {}).ok());
  }
  void full() {
    quick();
    ASSERT_TRUE(compact_range(context(), state(), {}).ok());
    ASSERT_TRUE(clean_epoch_markers(context(), state(), {}).ok());
    ASSERT_TRUE(delete_superseded_indexes(context(), state(), {}).ok());
  }

  test::FakeClock clock_;
  test::TestRepository made_{{}, clock_};
  std::shared_ptr<const format::UnitCrypto> crypto_;
  format::EpochParameters parameters_;
  int version_ = 2;
  std::unique_ptr<EpochManager> epochs_;
  std::vector<ContentId> written_;
};

TEST_F(EpochTasks, ABacklogOfEpochsIsCompactedOnebyOneUntilNoneIsLeft) {
  for (int epoch = 0; epoch < 5; ++epoch) {
    for (int i = 0; i < 21; ++i) {
      flush(1);
      clock_.advance(hours(2));
    }
    const auto advanced = advance_epoch(context(), state(), {});
    ASSERT_TRUE(advanced.ok());
    EXPECT_TRUE(advanced->advanced);
  }
  EXPECT_EQ(single_compaction_candidate(state()), 0);
  int compacted = 0;
  while (single_compaction_candidate(state())) {
    ASSERT_TRUE(compact_single_epoch(context(), state(), {}).ok());
    ++compacted;
  }
  EXPECT_EQ(compacted, 4);
  EXPECT_FALSE(compact_single_epoch(context(), state(), {})->has_value());
  expect_all_visible();
}

TEST(SingleCompactionCandidate, SkipsWhatIsCompacted) {
  const std::vector<std::int64_t> done{3, 5, 6, 8};
  const std::vector<std::pair<std::int64_t, std::int64_t>> cases = {{0, 0}, {2, 2}, {3, 4}, {4, 4}, {5, 7},
                                                                    {6, 7}, {7, 7}, {8, 9}, {9, 9}, {50, 50}};
  for (const auto& [first, expected] : cases) {
    EpochState s;
    s.write_epoch = 60;
    for (std::int64_t e = 0; e <= s.write_epoch; ++e) {
      s.uncompacted.push_back({e, e, {blob::BlobMetadata()}});
    }
    for (const std::int64_t e : done) {
      s.singles.push_back({e, e, {blob::BlobMetadata()}});
    }
    if (first > 0) {
      s.ranges.push_back({0, first - 1, {blob::BlobMetadata()}});
    }
    EXPECT_EQ(single_compaction_candidate(s), expected) << first;
  }
}

TEST_F(EpochTasks, TheWatermarkNeverGoesBack) {
  const Timestamp t = clock_.now();
  ASSERT_TRUE(write_deletion_watermark(context(), state(), t, {}).ok());
  ASSERT_TRUE(write_deletion_watermark(context(), state(), t - hours(1), {}).ok());
  EXPECT_EQ(state().deletion_watermark.unix_seconds(), t.unix_seconds());
  EXPECT_EQ(state().watermarks.size(), 1U);
}

TEST_F(EpochTasks, MergedBlobsReplaceSmallOnesOnlyAfterAnHour) {
  for (int i = 0; i < 20; ++i) {
    flush(3);
  }
  auto merged = merge_small_indexes(context(), clock_.now(), {});
  ASSERT_TRUE(merged.ok());
  EXPECT_EQ(merged->merged_count, 20);
  EXPECT_EQ(merged->removed_count, 0);
  EXPECT_EQ(live(), 21U);
  clock_.advance(minutes(59));
  EXPECT_EQ(merge_small_indexes(context(), clock_.now(), {})->removed_count, 0);
  clock_.advance(minutes(1));
  EXPECT_EQ(merge_small_indexes(context(), clock_.now(), {})->removed_count, 20);
  EXPECT_EQ(live(), 1U);
  expect_all_visible();
}

TEST_F(EpochTasks, ABlobThatIsNotCoveredStays) {
  for (int i = 0; i < 20; ++i) {
    flush(3);
  }
  ASSERT_TRUE(merge_small_indexes(context(), clock_.now(), {}).ok());
  flush(3);
  clock_.advance(hours(2));
  EXPECT_EQ(merge_small_indexes(context(), clock_.now(), {})->removed_count, 20);
  EXPECT_EQ(live(), 2U);
  expect_all_visible();
}

// A compaction that is cut off leaves some shards; the next one stores only what is missing.
TEST_F(EpochTasks, ACompactionThatWasCutOffGoesOn) {
  for (int i = 0; i < 5; ++i) {
    flush(20);
  }
  for (const char* marker : {"xe1", "xe2"}) {
    ASSERT_TRUE(made_.storage()->put(BlobId(marker), as_bytes("epoch-marker"), {}).ok());
  }
  EpochTaskContext c = context();
  c.shard_entries = 16;
  std::stop_source cut;
  c.progress = [&](std::int64_t done, std::int64_t total) {
    EXPECT_EQ(total, 7);
    if (done == 3) {
      cut.request_stop();
    }
  };
  EXPECT_EQ(compact_single_epoch(c, state(), cut.get_token()).code(), Code::cancelled);
  const auto before = made_.storage()->list_all(kSinglePrefix, {});
  EXPECT_EQ(before->size(), 3U);
  EXPECT_TRUE(state().singles.empty());
  c.progress = {};
  clock_.advance(minutes(1));
  ASSERT_TRUE(compact_single_epoch(c, state(), {}).ok());
  const auto after = made_.storage()->list_all(kSinglePrefix, {});
  ASSERT_EQ(after->size(), 7U);
  int written_again = 0;
  for (const blob::BlobMetadata& b : *before) {
    const auto same = std::ranges::find(*after, b.id, &blob::BlobMetadata::id);
    ASSERT_NE(same, after->end());
    written_again += same->timestamp != b.timestamp ? 1 : 0;
  }
  EXPECT_EQ(written_again, 0);
  EXPECT_EQ(state().singles.size(), 1U);
  EXPECT_EQ(live(), 12U);  // seven compacted, five that will be removed
  expect_all_visible();
}

TEST_F(EpochTasks, IncompleteSetsGoAfterTheMargin) {
  flush(3);
  for (const char* id : {"xs0_00112233445566778899aabbccddeeff-s0011223344556677-c2",
                         "xr0_5_00112233445566778899aabbccddeeff-s0011223344556677-c3",
                         "xs1_00112233445566778899aabbccddeeff-s0011223344556677-c1"}) {
    ASSERT_TRUE(made_.storage()->put(BlobId(id), as_bytes("x"), {}).ok());
  }
  EXPECT_EQ(*remove_incomplete_sets(context(), state(), {}), 0);
  clock_.advance(parameters_.cleanup_safety_margin + minutes(1));
  flush(3);
  EXPECT_EQ(*remove_incomplete_sets(context(), state(), {}), 2);
  EXPECT_EQ(made_.storage()->list_all(kSinglePrefix, {})->size(), 1U);
  EXPECT_TRUE(made_.storage()->list_all(kRangePrefix, {})->empty());
}

// 60 clients that flush every hour for 90 days, with the owner's hourly quick and daily full cycles.
TEST_F(EpochTasks, SixtyClientsForNinetyDays) {
  constexpr int kClients = 60, kDays = 90;
  std::size_t most = 0;
  std::size_t of_day = 0;
  for (int hour = 0; hour < kDays * 24; ++hour) {
    for (int client = 0; client < kClients; ++client) {
      flush(2);
      clock_.advance(seconds(59));
    }
    const std::size_t now = live();
    most = std::max(most, now);
    of_day = std::max(of_day, now);
    if (hour % 120 == 119) {
      std::printf("  day %2d: at most %3zu index blobs in force since the last line, epoch %lld\n", hour / 24 + 1,
                  of_day, static_cast<long long>(state().write_epoch));
      of_day = 0;
    }
    hour % 24 == 23 ? full() : quick();
    clock_.advance(minutes(1));
    if (HasFatalFailure()) {
      return;
    }
  }
  RecordProperty("most_live_index_blobs", static_cast<int>(most));
  RecordProperty("epochs", static_cast<int>(state().write_epoch));
  EXPECT_LE(most, 200U);
  expect_all_visible();
}

}  // namespace
}  // namespace cairn::index
