// Moves the blobs of a directory tree to where another layout wants them.
#pragma once

#include <functional>
#include <stop_token>
#include <string>

#include "blob/sharding.h"

namespace cairn::blob {

struct ReshardResult {
  std::int64_t moved = 0, unchanged = 0, removed_directories = 0;
};

// Renames every blob below `root`, then writes `.shards`, then removes directories that became empty. The ids come from
// the paths, so an interrupted run is finished by another one; until then some blobs are not found. Nobody else may use
// the tree meanwhile. With `dry_run` nothing is changed. `progress` (may be null) hears each move.
// Errors: already_exists when two files would get one path (nothing has been moved then); the file system's.
Result<ReshardResult> reshard_tree(const std::string& root, const ShardLayout& layout, bool dry_run,
                                   const std::function<void(const std::string& from, const std::string& to)>& progress,
                                   std::stop_token stop);

}  // namespace cairn::blob
