// How much memory a run may take, and sets that keep to it. docs/design/maintenance.md
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "content/content_manager.h"
#include "sys/record_sorter.h"

namespace cairn::maintenance {

struct MemoryBudget {
  static constexpr std::size_t kDefaultMax = std::size_t{512} << 20;
  static constexpr std::size_t kMin = std::size_t{192}
                                      << 20;  // what a run allocates whatever the limit, and some mapped pages
  std::size_t total = kDefaultMax;

  // Of one set of contents while it grows; there are at most two at once.
  std::size_t per_set() const { return total / 16; }
  // Directories and lists of contents read side by side; one of a huge file takes some tens of megabytes.
  unsigned walkers(unsigned most) const {
    return static_cast<unsigned>(std::clamp<std::size_t>(total / (std::size_t{64} << 20), 1, most));
  }
  // Of one shard of a compacted index: building, sealing and reading back one takes some 200 bytes an entry.
  std::size_t shard_entries() const { return std::clamp(total >> 10, std::size_t{64} << 10, std::size_t{512} << 10); }
  // Where mapped pages are given back: what is allocated and what is mapped between two looks comes on top.
  std::size_t resident() const { return total / 4 * 3; }
};

// Content ids, sorted; sys::RecordSorter. Not thread-safe.
class ContentIdSorter {
 public:
  ContentIdSorter(const content::ContentManager& contents, const MemoryBudget& budget);
  // Errors: corrupt (an id of another length than the repository's); resource_exhausted (disk full).
  Status add(const ContentId& id);
  Result<sys::SortedRecords> finish() { return sorter_.finish(); }

 private:
  std::size_t hash_size_;
  sys::RecordSorter sorter_;
};
ContentId content_id_of(ByteView record);

// A number for each pack name, at 16 bytes a pack. Names are told apart by their letter and 56 bits of hash; two packs
// that shared these would be taken for one, which keeps both.
class PackTable {
 public:
  std::int64_t& operator[](std::string_view pack);
  const std::int64_t* find(std::string_view pack) const;
  template <class Fn>
  void for_each(Fn fn) {
    for (Slot& s : slots_) {
      if (s.key != 0) {
        fn(s.letter(), s.value);
      }
    }
  }

 private:
  struct Slot {
    std::uint64_t key = 0;  // 0 = free; the top byte is the first letter of the name
    std::int64_t value = 0;
    char letter() const { return static_cast<char>(key >> 56); }
  };
  static std::uint64_t key_of(std::string_view pack);
  std::size_t slot_of(std::uint64_t key) const;
  std::vector<Slot> slots_;
  std::size_t used_ = 0;
};

}  // namespace cairn::maintenance
