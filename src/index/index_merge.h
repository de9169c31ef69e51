// Many index blobs read as one, and written as one set of shards, in bounded memory.
#pragma once

#include <functional>
#include <mutex>
#include <span>
#include <stop_token>
#include <string>

#include "index/index_blob.h"

namespace cairn::index {

// The entries [begin, end) of one reader.
struct ReaderRange {
  const IndexReader* reader = nullptr;
  std::size_t begin = 0, end = 0;
};

// Visits the entries of all ranges in id order, of each id the winner. Errors: corrupt; the callback's.
Status merge_ranges(std::span<const ReaderRange> ranges, const std::function<Status(const Entry&)>& fn);
// The same with all entries of the readers.
Status merge_readers(std::span<const IndexReader* const> readers, const std::function<Status(const Entry&)>& fn);

// Keeps the plaintexts of index blobs: small ones and the first few megabytes in memory, the rest in unlinked files of
// `directory` (sys::ScratchFile). Where the disk has no room they stay in memory. Thread-safe.
class PlaintextStore {
 public:
  PlaintextStore(std::string directory, std::size_t memory_max)
      : directory_(std::move(directory)), memory_max_(memory_max) {}
  // Errors: corrupt, unsupported.
  Result<IndexReader> open(Buffer plaintext, std::uint32_t encryption_overhead);
  const std::string& directory() const { return directory_; }

 private:
  bool keep_in_memory(std::size_t size);
  const std::string directory_;
  const std::size_t memory_max_;
  std::mutex mutex_;
  std::size_t in_memory_ = 0;
};

// Entries of one shard of a merged set: what a reader of it needs to hold at once stays small.
inline constexpr std::size_t kMergedShardEntries = 512 << 10;

// What becomes of a merge.
struct MergedShards {
  int version = 2;
  std::size_t entries_max = kMergedShardEntries;         // of one shard
  std::function<bool(const Entry&)> keep{};              // empty = every winner
  std::function<Status(std::size_t shard_count)> begin;  // called first
  std::function<Status(Buffer plaintext)> shard;         // one after the other, in id order
};

// Memory: one shard. Errors: corrupt; invalid_argument; cancelled; the callbacks'.
Status build_merged(std::span<const IndexReader* const> readers, const MergedShards& out, std::stop_token stop);

}  // namespace cairn::index
