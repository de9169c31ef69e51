// Storage over a RemoteTree with Kopia's sharded layout (kopia-format §2.3): the same tree as in a directory.
#pragma once

#include "blob/decorators.h"
#include "blob/remote_tree.h"

namespace cairn::blob {

struct TreeStorageOptions {
  ConnectionInfo info;       // given back as it is; `dirShards` is read from its config
  std::string display_name;  // "SFTP user@host"
  bool over_http = false;    // requests are refused for load now and then, listings may lag behind
};

// The layout comes from `.shards`, and where that is missing from the blobs found; it is written on create, or before
// the first blob of an empty tree, and never replaced. With open.create the root is made, otherwise it must exist
// (not_found). The storage retries (with_retry) and, if asked, is read-only.
Result<StoragePtr> open_tree_storage(std::unique_ptr<RemoteTree> tree, TreeStorageOptions options, OpenOptions open,
                                     std::stop_token stop);

}  // namespace cairn::blob
