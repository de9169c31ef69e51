#include "content/committed_index.h"

#include <gtest/gtest.h>

namespace cairn::content {
namespace {

index::Entry entry(std::string_view id, std::int64_t time, bool deleted = false, std::string_view pack = "p1") {
  index::Entry e;
  e.id = *ContentId::parse(id);
  e.pack = pack;
  e.pack_offset = 32;
  e.packed_length = 40;
  e.original_length = 12;
  e.timestamp_seconds = time;
  e.format_version = 3;
  e.deleted = deleted;
  return e;
}

CommittedIndex::ReaderPtr reader(std::initializer_list<index::Entry> entries) {
  index::IndexBuilder builder;
  for (const auto& e : entries) {
    builder.add(e);
  }
  auto plain = builder.build(2);
  EXPECT_TRUE(plain.ok());
  auto opened = index::IndexReader::open(std::move((*plain)[0]), 28);
  EXPECT_TRUE(opened.ok());
  return std::make_shared<const index::IndexReader>(std::move(*opened));
}

constexpr std::string_view kA = "aa000000000000000000000000000000";
constexpr std::string_view kB = "bb000000000000000000000000000000";

TEST(CommittedIndex, LaterEntryWinsWhateverTheOrder) {
  for (const bool reversed : {false, true}) {
    CommittedIndex index;
    ASSERT_TRUE(index
                    .assign({{BlobId(reversed ? "z" : "a"), reader({entry(kA, 1)})},
                             {BlobId("m"), reader({entry(kA, 3, true), entry(kB, 1)})}},
                            {}, Timestamp::zero())
                    .ok());
    auto found = index.find(*ContentId::parse(kA));
    ASSERT_TRUE(found.ok());
    ASSERT_TRUE(found->has_value());
    EXPECT_TRUE((*found)->entry.deleted);
    std::size_t seen = 0;
    ASSERT_TRUE(index
                    .for_each("", "",
                              [&](const index::Entry&) {
                                ++seen;
                                return Status();
                              })
                    .ok());
    EXPECT_EQ(seen, 2u);
  }
}

TEST(CommittedIndex, WatermarkHidesDeletedEntriesOnly) {
  CommittedIndex index;
  ASSERT_TRUE(
      index.assign({{BlobId("a"), reader({entry(kA, 5, true), entry(kB, 5)})}}, {}, Timestamp::from_seconds(5)).ok());
  EXPECT_FALSE(index.find(*ContentId::parse(kA))->has_value());
  EXPECT_TRUE(index.find(*ContentId::parse(kB))->has_value());
}

// kopia-format §9.12: what stands only in a blob that other clients pass over must be told apart; what stands in both
// must not.
TEST(CommittedIndex, TellsEntriesThatOnlySecondaryBlobsHold) {
  CommittedIndex index;
  ASSERT_TRUE(
      index
          .assign({{BlobId("xn3_a"), reader({entry(kA, 1), entry(kB, 1)})}, {BlobId("xs3_b"), reader({entry(kA, 1)})}},
                  {BlobId("xn3_a")}, Timestamp::zero())
          .ok());
  EXPECT_FALSE((*index.find(*ContentId::parse(kA)))->secondary);
  EXPECT_TRUE((*index.find(*ContentId::parse(kB)))->secondary);
  ASSERT_TRUE(index.add(BlobId("xn5_c"), reader({entry(kB, 2)})).ok());
  EXPECT_FALSE((*index.find(*ContentId::parse(kB)))->secondary);
}

// A compacted set comes while the blobs it replaces are still there: nothing is taken for hidden, nothing is built
// anew.
TEST(CommittedIndex, ACompactedSetTakesThePlaceOfItsInputs) {
  CommittedIndex index;
  std::map<BlobId, CommittedIndex::ReaderPtr> readers = {{BlobId("xn3_a"), reader({entry(kA, 1)})},
                                                         {BlobId("xn3_b"), reader({entry(kB, 1)})}};
  ASSERT_TRUE(index.assign(readers, {}, Timestamp::zero()).ok());
  readers.emplace(BlobId("xs3_c"), reader({entry(kA, 1)}));
  ASSERT_TRUE(index.assign(readers, {BlobId("xn3_a"), BlobId("xn3_b")}, Timestamp::zero()).ok());
  EXPECT_EQ(index.entry_count(), 2u);
  EXPECT_FALSE((*index.find(*ContentId::parse(kA)))->secondary);
  EXPECT_TRUE((*index.find(*ContentId::parse(kB)))->secondary) << "the set lacks it";
  readers.erase(BlobId("xn3_a"));
  readers.erase(BlobId("xn3_b"));
  ASSERT_TRUE(index.assign(readers, {}, Timestamp::zero()).ok());
  EXPECT_TRUE(index.find(*ContentId::parse(kA))->has_value());
  EXPECT_FALSE(index.find(*ContentId::parse(kB))->has_value());
}

// So many entries that the table lies in a file: what was found by the small one is found by this one.
TEST(CommittedIndex, ATableOnDiskFindsEverything) {
  constexpr int kBlobs = 3, kEach = 500'000;
  CommittedIndex index;
  std::map<BlobId, CommittedIndex::ReaderPtr> readers;
  const auto id_of = [](std::uint64_t n) {
    ContentId id;
    id.prefix = n % 7 == 0 ? 'k' : 0;
    id.size = 16;
    store_be64(id.hash.data(), n * 0x9e3779b97f4a7c15ULL);
    store_be64(id.hash.data() + 8, n);
    return id;
  };
  for (std::uint64_t b = 0; b < kBlobs; ++b) {
    index::IndexBuilder builder;
    for (std::uint64_t n = 0; n < kEach; ++n) {
      index::Entry e = entry(kA, static_cast<std::int64_t>(b + 1));
      e.id = id_of(b * kEach + n);
      builder.add(e);
    }
    auto plain = builder.build(2);
    ASSERT_TRUE(plain.ok());
    auto opened = index::IndexReader::open(std::move(plain->front()), 28);
    ASSERT_TRUE(opened.ok());
    readers.emplace(BlobId("xn0_" + std::to_string(b)), std::make_shared<const index::IndexReader>(std::move(*opened)));
  }
  ASSERT_TRUE(index.assign(readers, {}, Timestamp::zero()).ok());
  EXPECT_EQ(index.entry_count(), std::size_t{kBlobs} * kEach);
  for (std::uint64_t n = 0; n < kBlobs * kEach; n += 97) {
    const auto found = index.find(id_of(n));
    ASSERT_TRUE(found.ok() && found->has_value()) << n;
    EXPECT_EQ((*found)->entry.timestamp_seconds, static_cast<std::int64_t>(n / kEach + 1));
  }
  EXPECT_FALSE(index.find(id_of(kBlobs * kEach))->has_value());
  // One more blob is added, one goes.
  readers.erase(BlobId("xn0_1"));
  ASSERT_TRUE(index.add(BlobId("xn0_9"), reader({entry(kA, 9)})).ok());
  EXPECT_TRUE(index.find(*ContentId::parse(kA))->has_value());
  ASSERT_TRUE(index.assign(readers, {}, Timestamp::zero()).ok());
  EXPECT_EQ(index.entry_count(), std::size_t{kBlobs - 1} * kEach);
  EXPECT_FALSE(index.find(id_of(kEach))->has_value());
  EXPECT_TRUE(index.find(id_of(2 * kEach))->has_value());
  EXPECT_FALSE(index.find(*ContentId::parse(kA))->has_value());
}

TEST(CommittedIndex, VisitsARangeOfTextsAlone) {
  CommittedIndex index;
  constexpr std::string_view kK = "k10000000000000000000000000000000";
  constexpr std::string_view kM = "m10000000000000000000000000000000";
  ASSERT_TRUE(index
                  .assign({{BlobId("a"), reader({entry(kA, 1), entry(kM, 1)})},
                           {BlobId("b"), reader({entry(kB, 1), entry(kK, 1), entry(kM, 2)})}},
                          {}, Timestamp::zero())
                  .ok());
  const auto visited = [&](std::string_view first, std::string_view last) {
    std::string out;
    EXPECT_TRUE(index
                    .for_each(first, last,
                              [&](const index::Entry& e) {
                                out += e.id.text().substr(0, 2) + ' ';
                                return Status();
                              })
                    .ok());
    return out;
  };
  EXPECT_EQ(visited("", ""), "aa bb k1 m1 ");
  EXPECT_EQ(visited("m", "n"), "m1 ");
  EXPECT_EQ(visited("g", ""), "k1 m1 ");
  EXPECT_EQ(visited("", "g"), "aa bb ");
  EXPECT_EQ(visited(kB, kM), "bb k1 ");
  EXPECT_EQ(visited("bb1", "k1"), "");
  EXPECT_EQ(visited("n", "m"), "");
}

// Blobs that come one after another, each with newer entries for half of the former's ids, while ids are looked up.
TEST(CommittedIndex, WhatIsAddedIsEnteredWhereRegionsStand) {
  constexpr std::uint64_t kBlobs = 60, kEach = 3000;
  const auto id_of = [](std::uint64_t n) {
    ContentId id;
    id.prefix = n % 5 == 0 ? 'k' : 0;
    id.size = 16;
    store_be64(id.hash.data(), (n + 1) * 0x9e3779b97f4a7c15ULL);
    return id;
  };
  CommittedIndex index;
  std::map<ContentId, std::int64_t> expected;
  for (std::uint64_t b = 0; b < kBlobs; ++b) {
    index::IndexBuilder builder;
    for (std::uint64_t n = 0; n < kEach; ++n) {
      index::Entry e = entry(kA, static_cast<std::int64_t>(b + 1));
      e.id = id_of(b * kEach / 2 + n);
      expected[e.id] = e.timestamp_seconds;
      builder.add(e);
    }
    auto plain = builder.build(2);
    ASSERT_TRUE(plain.ok());
    auto opened = index::IndexReader::open(std::move(plain->front()), 28);
    ASSERT_TRUE(opened.ok());
    ASSERT_TRUE(
        index.add(BlobId("xn0_" + std::to_string(b)), std::make_shared<const index::IndexReader>(std::move(*opened)))
            .ok());
    for (std::uint64_t n = b % 7; n < (b + 1) * kEach; n += 211) {
      const auto found = index.find(id_of(n));
      ASSERT_TRUE(found.ok());
      const auto it = expected.find(id_of(n));
      ASSERT_EQ(found->has_value(), it != expected.end()) << n;
      if (found->has_value()) {
        EXPECT_EQ((*found)->entry.timestamp_seconds, it->second) << n;
      }
    }
  }
  EXPECT_EQ(index.entry_count(), expected.size());
}

}  // namespace
}  // namespace cairn::content
