// The snapshots of one source under the name of another. (kopia-model §10.7)
#pragma once

#include <functional>

#include "snapshot/store.h"

namespace cairn::snapshot {

enum class HistoryStep : std::uint8_t {
  copy,    // saved under the new source (a move then deletes the original)
  exists,  // the destination has this snapshot already (a move deletes the original)
};

struct HistoryRequest {
  // Empty parts of `from` match anything; non-empty parts of `to` replace those of each snapshot.
  SourceInfo from, to;
  bool move = false, dry_run = false;
  // Before each step. `target`: under which source.
  std::function<void(HistoryStep step, const SnapshotManifest& snapshot, const SourceInfo& target)> on_step;
};

// Returns the number of manifests written or deleted. No object is touched, nothing is flushed.
// Errors: invalid_argument (a part in `to` that `from` leaves open), those of manifests.
Result<std::int64_t> copy_history(manifest::ManifestManager& manifests, const HistoryRequest& request,
                                  std::stop_token stop);

}  // namespace cairn::snapshot
