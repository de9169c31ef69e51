#include "index/epoch_sets.h"

#include <gtest/gtest.h>

namespace cairn::index {
namespace {

using blob::BlobMetadata;

std::vector<BlobMetadata> blobs(std::initializer_list<const char*> ids) {
  std::vector<BlobMetadata> out;
  for (const char* id : ids) {
    out.push_back({BlobId(id), 1, Timestamp::from_seconds(1)});
  }
  return out;
}

std::vector<std::string> first_set(std::initializer_list<const char*> ids) {
  const auto sets = complete_sets(blobs(ids));
  std::vector<std::string> out;
  if (!sets.empty()) {
    for (const BlobMetadata& b : sets.front()) {
      out.push_back(b.id.text);
    }
  }
  return out;
}

using Ids = std::vector<std::string>;

TEST(EpochNames, AreParsed) {
  EXPECT_EQ(epoch_of("xe0"), 0);
  EXPECT_EQ(epoch_of("xe12"), 12);
  EXPECT_EQ(epoch_of("xn12_c0f7-s1-c1"), 12);
  EXPECT_EQ(epoch_of("xs3_"), 3);
  for (const char* id : {"", "x", "xe", "xn_", "xn_5", "xe1x", "xe-1x", "xn99999999999999999999_a", "xe 1 "}) {
    EXPECT_EQ(epoch_of(id), std::nullopt) << id;
  }
  EXPECT_EQ(range_of("xr0_7_1652-s0-c1"), (EpochRange{0, 7}));
  EXPECT_EQ(range_of("xr10_10_ab"), (EpochRange{10, 10}));
  EXPECT_EQ(range_of("xr0_7"), (EpochRange{0, 7}));
  for (const char* id : {"xr", "xr0", "xr0_", "xr0_x_y", "xr_7_a", "xr7_0_a", "xr0_-1_a"}) {
    EXPECT_EQ(range_of(id), std::nullopt) << id;
  }
  EXPECT_EQ(watermark_of("xw1700000000"), Timestamp::from_seconds(1700000000));
  EXPECT_EQ(watermark_of("xw0"), Timestamp::from_seconds(0));
  EXPECT_TRUE(watermark_of("xw9007199254740992").has_value());
  for (const char* id : {"xw", "xwx", "xw1_", "xw-5", "xe5"}) {
    EXPECT_EQ(watermark_of(id), std::nullopt) << id;
  }
}

TEST(CompleteSets, FirstComplete) {
  EXPECT_EQ(first_set({"a-s0-c2", "b-s0-c2"}), (Ids{"a-s0-c2", "b-s0-c2"}));
  EXPECT_EQ(first_set({"a-s0-c2", "malformed", "b-s0-c2"}), Ids{"malformed"});
  EXPECT_EQ(first_set({"foo-s0-c2", "aaa-s1-c2", "bar-s0-c2", "bbb-s1-c2"}), (Ids{"foo-s0-c2", "bar-s0-c2"}));
  EXPECT_EQ(first_set({"a-s0-c2", "b-s1-c2"}), Ids{});
  EXPECT_EQ(first_set({"a-s0-c3", "b-s0-c3"}), Ids{});
  EXPECT_EQ(first_set({"a-s0-c2", "malformed-s0-x2", "b-s0-c2"}), Ids{"malformed-s0-x2"});
  EXPECT_EQ(first_set({"a-s0-c2", "malformed-s0-cNAN", "b-s0-c2"}), Ids{"malformed-s0-cNAN"});
  EXPECT_EQ(first_set({}), Ids{});
}

TEST(CompleteSets, AllOfThem) {
  const auto sets = complete_sets(blobs({"foo-s0-c2", "aaa-s1-c2", "bar-s0-c2", "bbb-s1-c2", "x-s2-c1", "y-s3-c2"}));
  ASSERT_EQ(sets.size(), 3u);
  EXPECT_EQ(sets[1].front().id.text, "aaa-s1-c2");
  EXPECT_EQ(sets[2].front().id.text, "x-s2-c1");
}

std::string chain(std::vector<EpochRange> ranges) {
  std::string out;
  for (const EpochRange& r : longest_chain(std::move(ranges))) {
    out += fmt::format("{}-{} ", r.min, r.max);
  }
  return out;
}

TEST(RangeChain, ReachesFarthestWithFewest) {
  EXPECT_EQ(chain({{0, 9}, {10, 19}, {20, 29}}), "0-9 10-19 20-29 ");
  EXPECT_EQ(chain({{0, 9}, {10, 19}, {20, 29}, {50, 59}}), "0-9 10-19 20-29 ");
  EXPECT_EQ(chain({{0, 9}, {20, 29}, {50, 59}}), "0-9 ");
  EXPECT_EQ(chain({{0, 29}, {20, 29}, {30, 39}}), "0-29 30-39 ");
  EXPECT_EQ(chain({{0, 9}, {0, 29}, {10, 19}, {30, 39}}), "0-29 30-39 ");
  EXPECT_EQ(chain({{0, 9}, {0, 29}, {10, 59}, {30, 39}}), "0-9 10-59 ");
  EXPECT_EQ(chain({{10, 59}, {30, 39}, {50, 59}, {40, 49}, {0, 9}, {0, 29}}), "0-9 10-59 ");
  EXPECT_EQ(chain({{0, 9}, {10, 19}, {0, 19}}), "0-19 ");
  EXPECT_EQ(chain({{1, 9}}), "");
  EXPECT_EQ(chain({}), "");
  EXPECT_EQ(chain({{0, 0}, {1, 5}}), "0-0 1-5 ");
}

TEST(Advance, NeedsTimeAndCountOrSize) {
  const format::EpochParameters p = format::EpochParameters::defaults();
  const auto blob = [](Duration at, std::int64_t length) {
    return BlobMetadata{BlobId("xn0_a"), length, Timestamp::from_seconds(1'000'000) + at};
  };
  constexpr std::int64_t kMiB = 1 << 20;
  EXPECT_FALSE(should_advance({}, p));
  EXPECT_FALSE(should_advance({blob({}, 20 * kMiB)}, p));
  EXPECT_FALSE(should_advance({blob({}, 5 * kMiB), blob(hours(24) - Duration{1}, 5 * kMiB)}, p));
  EXPECT_TRUE(should_advance({blob({}, 5 * kMiB), blob(hours(24), 5 * kMiB)}, p));
  EXPECT_FALSE(should_advance({blob({}, 5 * kMiB), blob(hours(24), 5 * kMiB - 1)}, p));
  std::vector<BlobMetadata> many(21, blob(hours(24), 1));
  many.front().timestamp = many.front().timestamp - hours(24);
  EXPECT_TRUE(should_advance(many, p));
  many.resize(19);
  EXPECT_FALSE(should_advance(many, p));
}

}  // namespace
}  // namespace cairn::index
