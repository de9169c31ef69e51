#include "content/pack_ranges.h"

#include <gtest/gtest.h>

#include "blob/decorators.h"
#include "tests/support/test_repository.h"

namespace cairn::content {
namespace {

using cairn::test::TestRepository;

ContentPlace place(std::uint32_t pack, std::uint32_t offset, std::uint32_t length, Byte name) {
  ContentPlace p;
  p.id.size = 16;
  p.id.hash[0] = name;
  p.pack = pack;
  p.offset = offset;
  p.packed_length = length;
  return p;
}

TEST(PackRanges, MergeOverGapsUpToTheLimitOfOnePack) {
  std::vector<ContentPlace> places = {place(1, 0, 10, 1),   place(0, 300, 50, 2), place(0, 0, 100, 3),
                                      place(0, 120, 80, 4), place(0, 221, 9, 5),  place(0, 120, 80, 4)};
  const auto ranges = merge_into_ranges(places, {.length_max = 1000, .gap_max = 20});
  ASSERT_EQ(ranges.size(), 4u);
  EXPECT_EQ(ranges[0].offset, 0u);
  EXPECT_EQ(ranges[0].length, 200u) << "a gap of 20 is read, one of 21 is not";
  EXPECT_EQ(ranges[0].last - ranges[0].first, 3u) << "equal contents stand in one range";
  EXPECT_EQ(ranges[1].offset, 221u);
  EXPECT_EQ(ranges[2].offset, 300u);
  EXPECT_EQ(ranges[3].length, 10u) << "another pack is another range";
}

TEST(PackRanges, AreCutWhereTheyGetTooLong) {
  std::vector<ContentPlace> places = {place(0, 0, 60, 1), place(0, 60, 40, 2), place(0, 100, 1, 3),
                                      place(0, 101, 500, 4), place(0, 601, 10, 5)};
  const auto ranges = merge_into_ranges(places, {.length_max = 100, .gap_max = 20});
  ASSERT_EQ(ranges.size(), 4u);
  EXPECT_EQ(ranges[0].length, 100u);
  EXPECT_EQ(ranges[1].length, 1u);
  EXPECT_EQ(ranges[2].length, 500u) << "a content longer than the limit is read whole";
  EXPECT_EQ(ranges[3].length, 10u);
}

TEST(PackRanges, ReadGivesEachContentOnceAndNamesTheDamaged) {
  TestRepository repo;
  std::vector<ContentId> ids;
  {
    auto writer = repo.open();
    ASSERT_TRUE(writer.ok());
    for (int i = 0; i < 100; ++i) {
      auto id = (*writer)->write(as_bytes(fmt::format("content {}", i)), 0, compress::kNone, {});
      ASSERT_TRUE(id.ok());
      ids.push_back(*id);
    }
    ASSERT_TRUE((*writer)->flush({}).ok());
  }
  auto metrics = std::make_shared<blob::StorageMetrics>();
  auto reader = repo.open_on(blob::with_metrics(repo.storage(), metrics));
  ASSERT_TRUE(reader.ok());
  auto damaged = (*reader)->info(ids[7], {});
  ASSERT_TRUE(damaged.ok());
  auto pack = repo.storage()->get(damaged->pack, {}, {});
  ASSERT_TRUE(pack.ok());
  (*pack)[damaged->pack_offset + 3] ^= 1;
  ASSERT_TRUE(repo.storage()->put(damaged->pack, pack->view(), {}).ok());

  PackTable packs;
  std::vector<ContentPlace> places;
  for (std::uint32_t i = 0; i < 200; ++i) {  // each twice
    auto info = (*reader)->info(ids[i % 100], {});
    ASSERT_TRUE(info.ok());
    places.push_back(place_of(*info, packs, i % 100));
  }
  const RangeLimits limits;
  const auto ranges = merge_into_ranges(places, limits);
  ASSERT_EQ(ranges.size(), 1u);
  const std::int64_t gets_before = metrics->gets;
  std::map<std::uint32_t, std::string> seen;
  const auto each = [&](std::size_t i, const Buffer* content) -> Status {
    EXPECT_TRUE(seen.emplace(places[i].owner, content == nullptr ? "damaged" : std::string(content->text())).second);
    return {};
  };
  const Status s = read_range(**reader, packs, places, ranges[0], limits, each, {});
  ASSERT_TRUE(s.ok()) << s.message();
  EXPECT_EQ(metrics->gets - gets_before, 1);
  ASSERT_EQ(seen.size(), 100u);
  for (std::uint32_t i = 0; i < 100; ++i) {
    EXPECT_EQ(seen[i], i == 7 ? "damaged" : fmt::format("content {}", i));
  }
}

TEST(PackRanges, WhatTheStorageRefusesIsLeftToTheCaller) {
  TestRepository repo;
  auto contents = repo.open();
  ASSERT_TRUE(contents.ok());
  PackTable packs;
  std::vector<ContentPlace> places = {place(packs.add("p0123456789abcdef"), 0, 10, 1)};
  const RangeLimits limits;
  const auto ranges = merge_into_ranges(places, limits);
  int missing = 0;
  const auto each = [&](std::size_t, const Buffer* content) -> Status {
    missing += content == nullptr ? 1 : 0;
    return {};
  };
  EXPECT_TRUE(read_range(**contents, packs, places, ranges[0], limits, each, {}).ok());
  EXPECT_EQ(missing, 1);
}

}  // namespace
}  // namespace cairn::content
