// All index blobs in force, with one hash table over their entries that names the winner of every content id.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <shared_mutex>
#include <span>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/time.h"
#include "index/index_blob.h"
#include "sys/mapped.h"

namespace cairn::content {

// Open-addressing slots, zero at first: in memory while they are few, else in an unlinked file of `directory`.
class SlotTable {
 public:
  void reset(std::size_t slots, const std::string& directory);
  std::size_t size() const { return slots_.size(); }
  std::uint64_t& operator[](std::size_t i) { return slots_[i]; }
  std::uint64_t operator[](std::size_t i) const { return slots_[i]; }

 private:
  std::vector<std::uint64_t> memory_;
  sys::MappedBytes mapped_;
  std::span<std::uint64_t> slots_;
};

// Thread-safe. Memory: what the readers hold, and 12 bytes an entry (up to some million entries; then on disk).
class CommittedIndex {
 public:
  using ReaderPtr = std::shared_ptr<const index::IndexReader>;

  explicit CommittedIndex(std::string scratch_directory = "") : scratch_directory_(std::move(scratch_directory)) {}

  // Replaces everything; what stays the same costs nothing. `secondary` names the blobs that other clients would not
  // read (index::ActiveSet). Errors: corrupt.
  Status assign(std::map<BlobId, ReaderPtr> readers, const std::set<BlobId>& secondary, Timestamp watermark);
  // Adds one blob (own write).
  Status add(const BlobId& id, ReaderPtr reader);
  std::map<BlobId, ReaderPtr> readers() const;

  // The winning entry unless hidden by the deletion watermark. `keep` owns what entry.pack borrows.
  struct Found {
    index::Entry entry;
    ReaderPtr keep;
    // Stands only in a blob that other clients would not read: a writer must publish it anew.
    bool secondary = false;
  };
  Result<std::optional<Found>> find(const ContentId& id) const;
  // Winners in id order, hidden ones left out.
  Status for_each(const std::function<Status(const index::Entry&)>& fn) const;
  std::size_t entry_count() const;

 private:
  Status insert_all(std::uint32_t reader_number);
  void grow(std::size_t entries);
  index::Entry entry_of(std::uint64_t slot, Status& status) const;
  bool hidden(const index::Entry& e) const {
    return e.deleted && Timestamp::from_seconds(e.timestamp_seconds) <= watermark_;
  }

  std::size_t home_of(std::uint64_t order, std::uint64_t hash) const;
  std::size_t after(std::size_t slot) const { return slot + 1 == table_.size() ? 0 : slot + 1; }

  const std::string scratch_directory_;
  mutable std::shared_mutex mutex_;
  std::map<BlobId, ReaderPtr> by_id_;
  std::set<BlobId> secondary_;
  bool complete_ = true;  // false after a failed assign()
  std::vector<ReaderPtr> readers_;
  std::vector<bool> is_secondary_;  // by number of the reader
  Timestamp watermark_ = Timestamp::zero();
  // Load ≤ 2/3. Slot: 0 = empty, else 16-bit tag ‖ 20-bit reader + 1 ‖ 28-bit entry. The regions of the table follow
  // the order of the hashes, so that an index blob, which is sorted, fills it from one end to the other.
  SlotTable table_;
  std::size_t used_ = 0;
};

}  // namespace cairn::content
