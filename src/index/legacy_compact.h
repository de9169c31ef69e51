// Compaction of the index blobs of format 1: n (index), m (compaction log), l (cleanup log). docs/format/epochs.md
// (kopia-format §9.11)
#pragma once

#include <optional>
#include <string>

#include "index/index_manager.h"
#include "index/index_merge.h"

namespace cairn::index {

// {"inputMetadata": […], "outputMetadata": […]}: the outputs replace the inputs once all of them are there.
struct CompactionLog {
  std::vector<std::string> inputs, outputs;
};
// Errors: corrupt.
Result<CompactionLog> parse_compaction_log(std::string_view text);

struct LegacyCompactOptions {
  std::int64_t max_pack_size = 20 << 20;
  int index_version = 1;
  // Entries deleted before this time are left out; then all blobs are compacted, whatever their number.
  std::optional<Timestamp> drop_deleted_before;
  std::size_t shard_entries = kMergedShardEntries;
  std::string scratch_directory{};
};

struct LegacyCompacted {
  std::int64_t input_count = 0, output_count = 0;  // index blobs; 0 when there was nothing to do
  std::int64_t removed_count = 0;                  // of former compactions: index blobs, compaction and cleanup logs
};

// Joins small index blobs, and removes what compactions replaced an hour ago or earlier. `storage` may refuse removals
// (a lease). Errors: corrupt, the storage's; what is there stays readable.
Result<LegacyCompacted> compact_legacy_indexes(blob::Storage& storage, const format::UnitCrypto& crypto,
                                               IndexManager& indexes, const LegacyCompactOptions& options,
                                               std::stop_token stop);

}  // namespace cairn::index
