// The tree on an SFTP server, over a pool of connections.
#pragma once

#include "blob/remote_tree.h"
#include "blob/sftp/byte_channel.h"

namespace cairn::blob {

struct SftpTreeOptions {
  SshOptions ssh;
  std::string path;  // of the root on the server
  std::size_t connections_max = 8;
  Duration call_deadline = minutes(2);      // and a second more for each 128 KiB
  Duration silence_deadline = seconds(60);  // without a byte from the server
};

// Connects when first used, again when a connection was lost, and in parallel as calls do.
std::unique_ptr<RemoteTree> make_sftp_tree(SftpTreeOptions options);

}  // namespace cairn::blob
