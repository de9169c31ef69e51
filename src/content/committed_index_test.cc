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
                    .for_each([&](const index::Entry&) {
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

}  // namespace
}  // namespace cairn::content
