// All index blobs in force, with one hash table over their entries that names the winner of every content id.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <shared_mutex>
#include <vector>

#include "base/ids.h"
#include "base/time.h"
#include "index/index_blob.h"

namespace cairn::content {

// Thread-safe. Memory: the blobs' plaintext and about 12 bytes an entry.
class CommittedIndex {
 public:
  using ReaderPtr = std::shared_ptr<const index::IndexReader>;

  // Replaces everything. `secondary` names the blobs that other clients would not read (index::ActiveSet). Errors:
  // corrupt.
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

  mutable std::shared_mutex mutex_;
  std::map<BlobId, ReaderPtr> by_id_;
  std::vector<ReaderPtr> readers_;  // secondary ones last, from number secondary_begin_ up to secondary_end_
  std::size_t secondary_begin_ = 0, secondary_end_ = 0;
  Timestamp watermark_ = Timestamp::zero();
  // Open addressing, power of two, load ≤ 0.6. Slot: 0 = empty, else 16-bit tag ‖ 20-bit reader + 1 ‖ 28-bit entry.
  std::vector<std::uint64_t> table_;
  std::size_t used_ = 0;
};

}  // namespace cairn::content
