// What kind of file system a path lies on, by f_type of statfs(2).
#pragma once

#include <string>

namespace cairn::sys {

// Behind a network or another process (NFS, SMB, FUSE, Ceph, 9P, AFS …): a call may never be answered. False where the
// path cannot be asked.
bool is_remote_file_system(const std::string& path);

// ZFS and btrfs: free space says little about what will fit.
bool is_compressing_file_system(const std::string& path);

}  // namespace cairn::sys
