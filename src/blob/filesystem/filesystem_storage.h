// Storage in a directory tree with Kopia's sharded layout. docs/format/blobs.md (kopia-format §2.3, 2.4)
#pragma once

#include <sys/types.h>

#include <optional>
#include <vector>

#include "blob/storage.h"

namespace cairn::blob {

struct FilesystemOptions {
  std::string path;  // absolute
  mode_t file_mode = 0600;
  mode_t dir_mode = 0700;
  std::optional<uid_t> uid;
  std::optional<gid_t> gid;
  std::optional<std::vector<int>> dir_shards;  // nullopt = JSON null; empty = flat
  int list_parallelism = 0;
  Json extra;  // throttling limits and unknown keys of the configuration, kept for connection_info()

  static Result<FilesystemOptions> from_json(const Json& config);
  Json to_json() const;
};

// With options.create the root is made (with parents). Otherwise it must exist: not_found. A relative path:
// invalid_argument "filesystem repository path must be absolute".
Result<std::shared_ptr<Storage>> open_filesystem(const FilesystemOptions& options, OpenOptions open, std::stop_token stop);

}  // namespace cairn::blob
