// Joining the small index blobs of epochs that are still being written. docs/design/maintenance.md
//
// Every flush of every client leaves an index blob, and an epoch lives for a day or more, so a repository with many
// clients would have thousands of them in force. A merged blob is an ordinary uncompacted blob, published by the rules
// for writers; the blobs it covers are removed later, when every client that listed before it has listed again.
#pragma once

#include "index/epoch_tasks.h"

namespace cairn::index {

struct MergedIndexes {
  std::int64_t merged_count = 0;   // blobs whose entries were published once more, in one blob
  std::int64_t removed_count = 0;  // blobs removed, all of whose entries stand in a merged blob
};
// `now` by the storage's clock. Errors: corrupt, the storage's; nothing is removed that is not covered.
Result<MergedIndexes> merge_small_indexes(const EpochTaskContext& c, Timestamp now, std::stop_token stop);

}  // namespace cairn::index
