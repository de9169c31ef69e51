#include "sys/record_sorter.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

namespace cairn::sys {
namespace {

// Records of 17 bytes, as content ids have them, with duplicates; `memory` small enough to force many runs.
void sort_and_compare(std::size_t count, std::size_t memory) {
  std::mt19937_64 random(count);
  std::set<std::string> want;
  RecordSorter sorter(17, memory, "");
  for (std::size_t i = 0; i < count; ++i) {
    std::string record(17, '\0');
    const std::uint64_t value = random() % (count / 2 + 1);
    store_be64(reinterpret_cast<Byte*>(record.data()) + 1, value * 0x9e3779b97f4a7c15ULL);
    store_be64(reinterpret_cast<Byte*>(record.data()) + 9, value);
    record[0] = value % 3 == 0 ? 'k' : '\0';
    want.insert(record);
    ASSERT_TRUE(sorter.add(as_bytes(record)).ok());
  }
  auto sorted = sorter.finish();
  ASSERT_TRUE(sorted.ok());
  ASSERT_EQ(sorted->size(), want.size());
  std::size_t i = 0;
  for (const std::string& record : want) {
    EXPECT_EQ(as_text((*sorted)[i++]), record);
    EXPECT_TRUE(sorted->contains(as_bytes(record)));
  }
  EXPECT_FALSE(sorted->contains(as_bytes(std::string(17, '\xff'))));
}

TEST(RecordSorter, SortsAndDropsDuplicatesInMemory) { sort_and_compare(1000, 1 << 20); }

TEST(RecordSorter, SortsAndDropsDuplicatesAcrossManyRuns) {
  sort_and_compare(20'000, 16 << 10);  // 62 runs: merged in between
}

TEST(RecordSorter, OneRecordOfMemoryStillSorts) { sort_and_compare(100, 1); }

TEST(RecordSorter, NothingAddedGivesNothing) {
  auto sorted = RecordSorter(8, 100, "").finish();
  ASSERT_TRUE(sorted.ok());
  EXPECT_EQ(sorted->size(), 0u);
  EXPECT_FALSE(sorted->contains(as_bytes("12345678")));
}

TEST(RecordSorter, AnUnusableDirectoryFallsBackToTheTemporaryOne) {
  RecordSorter sorter(4, 1, "/proc/nowhere");
  ASSERT_TRUE(sorter.add(as_bytes("bbbb")).ok());
  ASSERT_TRUE(sorter.add(as_bytes("aaaa")).ok());
  auto sorted = sorter.finish();
  ASSERT_TRUE(sorted.ok());
  EXPECT_EQ(as_text((*sorted)[0]), "aaaa");
}

TEST(ScratchFile, LeavesNoNameAndMapsWhatWasAppended) {
  auto dir = TempDir::make();
  ASSERT_TRUE(dir.ok());
  auto file = ScratchFile::make(dir->path());
  ASSERT_TRUE(file.ok());
  EXPECT_TRUE(file->append(as_bytes(std::string(10'000, 'a') + "needle")).ok());
  auto map = file->map(10'000, 6);
  ASSERT_TRUE(map.ok());
  EXPECT_EQ(as_text(map->view()), "needle");
  EXPECT_FALSE(file_exists(dir->path() + "/.cairn-scratch-"));
  auto second = ScratchFile::make(dir->path());
  ASSERT_TRUE(second.ok());
  auto zero = second->map_zeroed(1 << 16);
  ASSERT_TRUE(zero.ok());
  zero->mut()[65'535] = 7;
  EXPECT_EQ(zero->view()[0], 0);
  EXPECT_EQ(zero->view()[65'535], 7);
}

// Pages that were written stay written when they are given back.
TEST(ScratchFile, MappedPagesAreGivenBackAboveTheCeilingWithoutLoss) {
  constexpr std::size_t kSize = 64 << 20;
  auto file = ScratchFile::make("");
  ASSERT_TRUE(file.ok());
  auto map = file->map_zeroed(kSize);
  ASSERT_TRUE(map.ok());
  const std::size_t before = resident_bytes();
  ASSERT_GT(before, 0u);
  keep_resident_below(before + (16 << 20));
  std::size_t highest = 0;
  for (std::size_t i = 0; i < kSize; i += 4096) {
    map->mut()[i] = static_cast<Byte>(i >> 12);
    mapped_touched();
    highest = std::max(highest, i % (1 << 20) == 0 ? resident_bytes() : 0);
  }
  for (std::size_t i = 0; i < kSize; i += 4096) {
    ASSERT_EQ(map->view()[i], static_cast<Byte>(i >> 12));
  }
  keep_resident_below(0);
  EXPECT_LT(highest, before + (24u << 20));
}

}  // namespace
}  // namespace cairn::sys
