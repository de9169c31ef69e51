// All index blobs in force, with a hash table over their entries that names the winner of every content id.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <shared_mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/time.h"
#include "index/index_blob.h"
#include "sys/mapped.h"

namespace cairn::content {

// Open-addressing slots, zero at first: in memory, or in an unlinked file of a directory.
class SlotTable {
 public:
  void use_memory(std::size_t slots);
  // Errors: the disk has no room.
  Status use_disk(std::size_t slots, const std::string& directory);
  void clear();
  std::size_t size() const { return slots_.size(); }
  bool in_memory() const { return !memory_.empty(); }
  std::uint64_t& operator[](std::size_t i) { return slots_[i]; }
  std::uint64_t operator[](std::size_t i) const { return slots_[i]; }

 private:
  std::vector<std::uint64_t> memory_;
  sys::MappedBytes mapped_;
  std::span<std::uint64_t> slots_;
};

// Thread-safe. The table is cut into regions by the first bits of the hash, and a region is built when an id of it is
// first asked for: who asks for few contents of millions pays for few. Memory: what the readers hold, and 14 bytes an
// entry of the regions built (up to some million entries; then on disk).
class CommittedIndex {
 public:
  using ReaderPtr = std::shared_ptr<const index::IndexReader>;

  explicit CommittedIndex(std::string scratch_directory = "") : scratch_directory_(std::move(scratch_directory)) {}

  // Replaces everything; what stays the same costs nothing. `secondary` names the blobs that other clients would not
  // read (index::ActiveSet). Errors: resource_exhausted (too many).
  Status assign(std::map<BlobId, ReaderPtr> readers, const std::set<BlobId>& secondary, Timestamp watermark);
  // Adds one blob (own write). Errors: resource_exhausted.
  Status add(const BlobId& id, ReaderPtr reader);
  std::map<BlobId, ReaderPtr> readers() const;

  // The winning entry unless hidden by the deletion watermark. `keep` owns what entry.pack borrows.
  struct Found {
    index::Entry entry;
    ReaderPtr keep;
    // Stands only in a blob that other clients would not read: a writer must publish it anew.
    bool secondary = false;
  };
  // Errors: corrupt.
  Result<std::optional<Found>> find(const ContentId& id) const;
  // Winners in id order, hidden ones left out; of the ids whose text is in [first, last), "" = unbounded. What is
  // outside is not read. Errors: corrupt; the callback's.
  Status for_each(std::string_view first, std::string_view last,
                  const std::function<Status(const index::Entry&)>& fn) const;
  // Contents, each once; builds all regions.
  std::size_t entry_count() const;

 private:
  // Slot: 0 = empty, else 16-bit tag ‖ 20-bit reader + 1 ‖ 28-bit entry. Load ≤ 2/3.
  struct Region {
    std::mutex mutex;  // building
    std::atomic<bool> built{false};
    SlotTable slots;
    std::size_t used = 0;
  };
  struct Stretch {  // entries [begin, end) of a reader: ids of one prefix, ascending by their hashes
    std::size_t begin = 0, end = 0;
  };
  struct Known {
    ReaderPtr reader;
    bool secondary = false;
    std::vector<Stretch> stretches;
  };

  void append(ReaderPtr reader, bool secondary);
  void forget_regions();
  void settle(std::size_t first_new);
  bool too_many() const;
  std::vector<Stretch> in_region(const Known& known, std::size_t region) const;
  Status build(std::size_t region) const;
  Status insert(Region& region, std::size_t number, Stretch stretch) const;
  void make_slots(Region& region, std::size_t entries) const;
  void drop(Region& region) const;
  std::size_t region_of(const ContentId& id) const;
  static std::size_t home_of(const SlotTable& slots, std::uint64_t hash) {
    return static_cast<std::size_t>((hash & 0xffffffffU) * slots.size() >> 32);
  }
  static std::size_t after(const SlotTable& slots, std::size_t i) { return i + 1 == slots.size() ? 0 : i + 1; }
  const Known& known_of(std::uint64_t slot) const;
  bool hidden(const index::Entry& e) const {
    return e.deleted && Timestamp::from_seconds(e.timestamp_seconds) <= watermark_;
  }

  const std::string scratch_directory_;
  mutable std::shared_mutex mutex_;
  std::map<BlobId, ReaderPtr> by_id_;
  std::set<BlobId> secondary_;
  std::vector<Known> known_;
  std::size_t entries_ = 0;  // of all readers
  Timestamp watermark_ = Timestamp::zero();
  // Built by readers under the shared lock and the region's own.
  std::unique_ptr<Region[]> regions_;
  std::size_t region_count_ = 0;
  mutable std::atomic<std::size_t> slots_in_memory_{0};
};

}  // namespace cairn::content
