// Storage in a directory tree with Kopia's sharded layout. docs/format/blobs.md (kopia-format §2.3, 2.4)
#pragma once

#include <sys/types.h>

#include <optional>
#include <vector>

#include "blob/storage.h"

namespace cairn::blob {

struct FilesystemOptions {
  std::string path;         // absolute
  mode_t file_mode = 0600;  // 0: not in the configuration, then 0600 (0700 for directories)
  mode_t dir_mode = 0700;
  std::optional<uid_t> uid;
  std::optional<gid_t> gid;
  std::optional<std::vector<int>> dir_shards;  // nullopt = JSON null; empty = flat
  int list_parallelism = 0;
  Json extra;  // throttling limits and unknown keys of the configuration, kept for connection_info()

  // Of one call, plus one second for each MiB moved. A system call that hangs is left behind (call_guard.h). Not part
  // of the configuration.
  Duration call_deadline = seconds(60);

  static Result<FilesystemOptions> from_json(const Json& config);
  Json to_json() const;
};

// The layout comes from `.shards`. Where that is missing: on create it is written (unless there are blobs already); on
// open the layout of the blobs found is used and nothing is written, and in a tree without any blob `.shards` is
// written before the first blob.
//
// With options.create the root is made (with parents). Otherwise it must exist: not_found. A relative path:
// invalid_argument "filesystem repository path must be absolute".
Result<std::shared_ptr<Storage>> open_filesystem(const FilesystemOptions& options, OpenOptions open,
                                                 std::stop_token stop);

}  // namespace cairn::blob
