#include "sys/file_system_type.h"

#include <sys/vfs.h>

#include <algorithm>
#include <cstdint>
#include <initializer_list>

namespace cairn::sys {
namespace {

bool is_one_of(const std::string& path, std::initializer_list<std::uint32_t> types) {
  struct statfs fs {};
  return ::statfs(path.c_str(), &fs) == 0 &&
         std::ranges::find(types, static_cast<std::uint32_t>(fs.f_type)) != types.end();
}

}  // namespace

// Numbers: linux/magic.h and the file systems' own headers.
bool is_remote_file_system(const std::string& path) {
  return is_one_of(path, {
                             0x6969,      // NFS
                             0x517b,      // SMB (old client)
                             0xff534d42,  // CIFS
                             0xfe534d42,  // SMB 2 and later
                             0x65735546,  // FUSE
                             0x00c36400,  // Ceph
                             0x01021997,  // 9P
                             0x5346414f,  // AFS (OpenAFS)
                             0x6b414653,  // AFS (kernel's own)
                             0x73757245,  // Coda
                             0x0bd00bd0,  // Lustre
                             0x47504653,  // GPFS
                             0x786f4256,  // VirtualBox shared folder
                         });
}

bool is_compressing_file_system(const std::string& path) { return is_one_of(path, {0x2fc12fc1, 0x9123683e}); }

}  // namespace cairn::sys
