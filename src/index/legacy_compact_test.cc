#include "index/legacy_compact.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "blob/memory/memory_storage.h"
#include "tests/support/test_repository.h"

namespace cairn::index {
namespace {

// A repository of format 1 on a clock that the test moves.
class LegacyCompact : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(made_.status().ok());
    auto format = format::FormatManager::open(made_.storage(), test::kTestPassword, {}, {});
    ASSERT_TRUE(format.ok());
    auto crypto = format::UnitCrypto::create(*(*format)->current());
    ASSERT_TRUE(crypto.ok());
    crypto_ = std::move(*crypto);
    manager_ = make_legacy_index_manager(made_.storage(), crypto_);
  }

  ContentId flush(bool deleted = false, int entries = 3) {
    IndexBuilder builder;
    Entry e;
    for (int i = 0; i < entries; ++i) {
      HashValue h;
      h.size = 16;
      random_bytes(MutByteView(h.bytes.data(), 16));
      e.id = ContentId::make(0, h);
      e.pack = "p00112233445566778899aabbccddeeff-s1";
      e.packed_length = 1000;
      e.original_length = 972;
      e.timestamp_seconds = clock_.now().unix_seconds();
      e.format_version = 1;
      e.deleted = deleted;
      builder.add(e);
    }
    auto plain = builder.build(1);
    EXPECT_TRUE(plain.ok());
    EXPECT_TRUE(manager_->write(std::move(*plain), "s1", {}).ok());
    return e.id;
  }

  std::size_t blobs(std::string_view prefix) { return made_.storage()->list_all(prefix, {})->size(); }

  // Entries of all blobs in force.
  IndexBuilder visible() {
    IndexBuilder all;
    const auto active = manager_->active({});
    EXPECT_TRUE(active.ok());
    for (const blob::BlobMetadata& b : active->blobs) {
      auto reader = open_index_blob(*crypto_, b.id, *made_.storage()->get(b.id, {}, {}));
      EXPECT_TRUE(reader.ok());
      for (std::size_t i = 0; i < reader->size(); ++i) {
        all.add(*reader->at(i));
      }
    }
    return all;
  }

  LegacyCompacted compact(LegacyCompactOptions options = {}) {
    auto done = compact_legacy_indexes(*made_.storage(), *crypto_, *manager_, options, {});
    EXPECT_TRUE(done.ok()) << done.status().message();
    return done.ok() ? *done : LegacyCompacted();
  }

  static format::CreateOptions format_one() {
    format::CreateOptions options;
    options.version = 1;
    return options;
  }

  test::FakeClock clock_;
  test::TestRepository made_{format_one(), clock_};
  std::shared_ptr<const format::UnitCrypto> crypto_;
  std::unique_ptr<IndexManager> manager_;
};

TEST_F(LegacyCompact, FewBlobsStay) {
  for (int i = 0; i < 7; ++i) {
    flush();
  }
  EXPECT_EQ(compact().input_count, 0);
  EXPECT_EQ(blobs("n"), 7U);
  EXPECT_EQ(blobs("m"), 0U);
}

TEST_F(LegacyCompact, ManySmallOnesBecomeOneAndGoAfterAnHour) {
  for (int i = 0; i < 8; ++i) {
    flush();
  }
  const LegacyCompacted done = compact();
  EXPECT_EQ(done.input_count, 8);
  EXPECT_EQ(done.output_count, 1);
  EXPECT_EQ(manager_->active({})->blobs.size(), 1U);
  EXPECT_EQ(visible().size(), 24U);
  EXPECT_EQ(blobs("n"), 9U) << "what was replaced stays for those who listed before";

  for (int i = 0; i < 7; ++i) {
    flush();
  }
  clock_.advance(minutes(59));
  EXPECT_EQ(compact().removed_count, 0);
  for (int i = 0; i < 7; ++i) {
    flush();
  }
  clock_.advance(minutes(2));
  EXPECT_EQ(compact().removed_count, 8);  // the inputs of the first log
  EXPECT_EQ(blobs("m"), 3U);
  EXPECT_EQ(blobs("l"), 1U);
  for (int i = 0; i < 7; ++i) {
    flush();
  }
  clock_.advance(hours(1));
  compact();
  EXPECT_EQ(blobs("m"), 3U) << "the first log went after its inputs, a fourth came";
  EXPECT_EQ(visible().size(), 24U + 3 * 21U);
}

TEST_F(LegacyCompact, OldMarksAreDroppedYoungOnesStay) {
  const ContentId old = flush(true, 1);
  clock_.advance(hours(10));
  const Timestamp limit = clock_.now();
  const ContentId live = flush(false, 1);
  const ContentId young = flush(true, 1);
  LegacyCompactOptions options;
  options.drop_deleted_before = limit;
  EXPECT_EQ(compact(options).output_count, 1);
  const IndexBuilder all = visible();
  EXPECT_FALSE(all.find(old).has_value());
  EXPECT_TRUE(all.find(live).has_value());
  EXPECT_TRUE(all.find(young).has_value());
}

TEST_F(LegacyCompact, NothingLeftIsNoBlobAtAll) {
  flush(true, 2);
  clock_.advance(hours(1));
  LegacyCompactOptions options;
  options.drop_deleted_before = clock_.now();
  EXPECT_EQ(compact(options).output_count, 0);
  EXPECT_EQ(visible().size(), 0U);
}

TEST_F(LegacyCompact, WhatIsInForceNeverGoes) {
  for (int i = 0; i < 8; ++i) {
    flush();
  }
  compact();
  const auto merged = manager_->active({})->blobs.front().id;
  // A log that claims the merged blob is replaced by one that nobody stored.
  const std::string lie = R"({"inputMetadata":[{"id":")" + merged.text + R"("}],"outputMetadata":[{"id":"n9"}]})";
  auto sealed = crypto_->seal_blob("m", "", as_bytes(lie));
  ASSERT_TRUE(made_.storage()->put(sealed->id, sealed->data.view(), {}).ok());
  clock_.advance(hours(2));
  for (int i = 0; i < 7; ++i) {
    flush();
  }
  compact();
  EXPECT_EQ(visible().size(), 24U + 21U);
}

}  // namespace
}  // namespace cairn::index
