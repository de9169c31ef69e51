#include "index/index_merge.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/random.h"

namespace cairn::index {
namespace {

struct Made {
  std::vector<IndexReader> readers;
  IndexBuilder all;
  std::vector<const IndexReader*> pointers() const {
    std::vector<const IndexReader*> out;
    for (const IndexReader& r : readers) {
      out.push_back(&r);
    }
    return out;
  }
};

// Some blobs with prefixed and plain ids; every third id stands in two of them with different times.
Made make(int blobs, int entries_each, PlaintextStore& store) {
  Made made;
  std::vector<Entry> again;
  for (int b = 0; b < blobs; ++b) {
    IndexBuilder one;
    const auto add = [&](const Entry& e) {
      one.add(e);
      made.all.add(e);
    };
    for (const Entry& e : again) {
      add(e);
    }
    again.clear();
    for (int i = 0; i < entries_each; ++i) {
      HashValue h;
      h.size = 16;
      random_bytes(MutByteView(h.bytes.data(), 16));
      Entry e;
      e.id = ContentId::make(i % 5 == 0 ? 'k' : 0, h);
      e.pack = "p0011223344556677";
      e.pack_offset = static_cast<std::uint32_t>(i);
      e.packed_length = e.original_length = 100;
      e.timestamp_seconds = 1000 + b;
      e.format_version = 3;
      add(e);
      if (i % 3 == 0) {
        e.timestamp_seconds += i % 2 == 0 ? 5 : -5;
        e.deleted = true;
        again.push_back(e);
      }
    }
    auto plain = one.build(2);
    EXPECT_TRUE(plain.ok());
    auto reader = store.open(std::move(plain->front()), 28);
    EXPECT_TRUE(reader.ok());
    made.readers.push_back(std::move(*reader));
  }
  return made;
}

void expect_equal(const Entry& a, const Entry& b) {
  EXPECT_EQ(a.id, b.id);
  EXPECT_EQ(a.pack, b.pack);
  EXPECT_EQ(a.pack_offset, b.pack_offset);
  EXPECT_EQ(a.timestamp_seconds, b.timestamp_seconds);
  EXPECT_EQ(a.deleted, b.deleted);
}

TEST(IndexMerge, VisitsTheWinnersInOrder) {
  for (const int blobs : {0, 1, 2, 7, 40}) {
    PlaintextStore store("", 1 << 20);
    const Made made = make(blobs, 50, store);
    std::vector<Entry> expected;
    ASSERT_TRUE(made.all
                    .for_each([&](const Entry& e) {
                      expected.push_back(e);
                      return Status();
                    })
                    .ok());
    std::size_t seen = 0;
    ASSERT_TRUE(merge_readers(made.pointers(), [&](const Entry& e) -> Status {
                  expect_equal(e, expected[seen++]);
                  return {};
                }).ok());
    EXPECT_EQ(seen, expected.size());
  }
}

// Plaintexts above the limit lie on disk; what is read is the same.
TEST(IndexMerge, ShardsHoldEveryWinnerOnce) {
  PlaintextStore store("", 100 << 10);
  const Made made = make(6, 3000, store);
  std::size_t promised = 0;
  std::vector<IndexReader> shards;
  MergedShards out;
  out.entries_max = 4000;
  out.begin = [&](std::size_t count) {
    promised = count;
    return Status();
  };
  out.shard = [&](Buffer plain) -> Status {
    TRY_ASSIGN(IndexReader r, IndexReader::open(std::move(plain), 28));
    shards.push_back(std::move(r));
    return {};
  };
  ASSERT_TRUE(build_merged(made.pointers(), out, {}).ok());
  EXPECT_EQ(shards.size(), promised);
  EXPECT_EQ(promised, 5U);
  std::size_t i = 0, shard = 0;
  ASSERT_TRUE(made.all
                  .for_each([&](const Entry& e) -> Status {
                    if (i == shards[shard].size()) {
                      ++shard;
                      i = 0;
                    }
                    auto got = shards[shard].at(i++);
                    EXPECT_TRUE(got.ok());
                    expect_equal(*got, e);
                    return {};
                  })
                  .ok());
  EXPECT_EQ(shard + 1, shards.size());
}

TEST(IndexMerge, NothingKeptGivesNoShard) {
  PlaintextStore store("", 1 << 20);
  const Made made = make(2, 10, store);
  std::size_t promised = 1;
  MergedShards out;
  out.keep = [](const Entry&) { return false; };
  out.begin = [&](std::size_t count) {
    promised = count;
    return Status();
  };
  out.shard = [](Buffer) { return Status(Code::internal, "no shard was promised"); };
  ASSERT_TRUE(build_merged(made.pointers(), out, {}).ok());
  EXPECT_EQ(promised, 0U);
}

TEST(IndexMerge, ADiskWithoutRoomLeavesPlaintextsInMemory) {
  PlaintextStore store("/proc/nowhere", 0);
  EXPECT_EQ(make(2, 2000, store).readers.size(), 2U);
}

}  // namespace
}  // namespace cairn::index
