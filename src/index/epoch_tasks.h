// What maintenance does to the index blobs of epochs: advance, compact, clean up. docs/format/epochs.md
// (kopia-format §9.6 … 9.9). Every task works on the state it is given and on no other, so that the tasks of one run
// see what the run began with.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "index/index_manager.h"
#include "index/index_merge.h"

namespace cairn::index {

struct EpochTaskContext {
  blob::Storage& storage;
  const format::UnitCrypto& crypto;
  EpochManager& epochs;
  format::EpochParameters parameters;
  int index_version = 2;
  std::size_t shard_entries = kMergedShardEntries;  // of compacted sets
  std::string scratch_directory{};                  // for large temporary data; "" = the system's
  // How many shards of how many a compaction has stored; may be empty.
  std::function<void(std::int64_t done, std::int64_t total)> progress{};
};

// Errors: corrupt, unsupported, the storage's.
Result<IndexReader> read_index_blob(const EpochTaskContext& c, const BlobId& id, PlaintextStore& plaintexts,
                                    std::stop_token stop);

struct AdvanceResult {
  std::int64_t current_epoch = 0;  // after the task
  bool advanced = false;
};
// Ends the write epoch where its blobs allow it. Errors: the storage's.
Result<AdvanceResult> advance_epoch(const EpochTaskContext& c, const EpochState& state, std::stop_token stop);

struct CompactedEpoch {
  std::int64_t epoch = 0;
  std::int64_t blob_count = 0, total_bytes = 0;  // of the blobs that the new set replaces
};
// Removes blobs of xs and xr sets that never became complete and that nobody has added to for the safety margin: what a
// killed compaction left behind. Returns how many.
Result<std::int64_t> remove_incomplete_sets(const EpochTaskContext& c, const EpochState& state, std::stop_token stop);

// Merges the xn blobs of the oldest settled epoch that no compaction covers into one xs set; nothing when there is
// none. Errors: corrupt, the storage's; then nothing was published.
Result<std::optional<CompactedEpoch>> compact_single_epoch(const EpochTaskContext& c, const EpochState& state,
                                                           std::stop_token stop);

// Merges all settled epochs behind the chain of ranges into one range when there are enough of them.
Result<std::optional<std::pair<std::int64_t, std::int64_t>>> compact_range(const EpochTaskContext& c,
                                                                           const EpochState& state,
                                                                           std::stop_token stop);

struct CleanedMarkers {
  std::int64_t epoch_markers = 0, watermarks = 0;
};
Result<std::optional<CleanedMarkers>> clean_epoch_markers(const EpochTaskContext& c, const EpochState& state,
                                                          std::stop_token stop);

struct CleanedIndexes {
  Timestamp max_replacement_time = Timestamp::zero();
  std::int64_t blob_count = 0, total_bytes = 0;
};
// Removes xn blobs whose xs set is older than the safety margin.
Result<std::optional<CleanedIndexes>> delete_superseded_indexes(const EpochTaskContext& c, const EpochState& state,
                                                                std::stop_token stop);

// Entries deleted up to `time` count as absent for everybody from now on. Does nothing when the watermark in force is
// not older.
Status write_deletion_watermark(const EpochTaskContext& c, const EpochState& state, Timestamp time,
                                std::stop_token stop);

// Newest storage time of the blobs around the write epoch, minus the margin: what is older has been seen by everybody.
// nullopt without such blobs.
std::optional<Timestamp> cleanup_limit(const EpochState& state, const format::EpochParameters& parameters);
// Oldest settled epoch with blobs that neither a range nor an xs set covers.
std::optional<std::int64_t> single_compaction_candidate(const EpochState& state);

}  // namespace cairn::index
