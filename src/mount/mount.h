// Snapshots as a file system.
#pragma once

#include <functional>
#include <string>

#include "mount/tree.h"

namespace cairn::mount {

struct MountOptions {
  std::string mount_point;  // an existing directory
  bool allow_other = false, allow_non_empty = false;
  bool trace = false;    // libfuse tells every request on standard error
  unsigned threads = 0;  // 0 = CPUs
  std::function<void()> on_mounted, on_unmounting;
};

// Serves until `stop` is requested or somebody else unmounts it; the mount point is released in every case.
// Errors: invalid_argument, not_found (mount point), unsupported (no FUSE here), failed_precondition (the system
// refuses).
Status serve(repo::Repository& repository, Tree& tree, const MountOptions& options, std::stop_token stop);

}  // namespace cairn::mount
