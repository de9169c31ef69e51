// The `.shards` file of a tree: read, written once, never replaced.
#pragma once

#include <string>

#include "blob/filesystem/call_limits.h"
#include "blob/filesystem/filesystem_storage.h"
#include "blob/sharding.h"

namespace cairn::blob {

struct TreeLayout {
  ShardLayout layout;
  bool file_present = false;  // `.shards` was read
  bool undecided = false;  // no file, and no blob whose path tells: ours to choose, to be written before the first put
  bool any_blob = false;   // looked at only without the file
};

// Looks at the tree, writes nothing. `creating` decides the layout of an empty one.
Result<TreeLayout> find_layout(const FilesystemOptions& options, bool creating, const CallLimits& limits);

// Writes `.shards` unless there is one by now; returns the layout in force, which is the other writer's if he was
// first.
Result<ShardLayout> persist_layout(const FilesystemOptions& options, const ShardLayout& layout);

}  // namespace cairn::blob
