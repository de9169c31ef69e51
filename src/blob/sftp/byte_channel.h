// Ordered bytes to and from the SFTP subsystem of a server: an SSH channel of our own, or the pipes of an ssh program.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "blob/sftp/call_wait.h"

namespace cairn::blob {

// For one thread at a time. After an error the channel is of no use.
class ByteChannel {
 public:
  virtual ~ByteChannel() = default;
  // All of the bytes. Errors: unavailable (connection lost), cancelled, deadline.
  virtual Status write(ByteView bytes, CallWait& wait) = 0;
  virtual Status read(MutByteView out, CallWait& wait) = 0;
};

struct SshOptions {
  std::string host;
  int port = 22;
  std::string username;
  std::string password;                            // wins over the key
  std::string key_file, key_data;                  // PEM or OpenSSH form; data wins; with neither: the agent
  std::string known_hosts_file, known_hosts_data;  // data wins; with neither: ~/.ssh/known_hosts
  // The ssh program with these arguments instead of all but host and username above.
  bool external = false;
  std::string command;    // "": ssh
  std::string arguments;  // separated by single spaces
};

// Errors: unavailable ("dial tcp …"), permission_denied (not authenticated), failed_precondition (unknown host key, no
// usable key), cancelled, deadline. Passwords and keys are in no message.
Result<std::unique_ptr<ByteChannel>> open_ssh_channel(const SshOptions& options, CallWait& wait);
Result<std::unique_ptr<ByteChannel>> open_program_channel(const SshOptions& options);

}  // namespace cairn::blob
