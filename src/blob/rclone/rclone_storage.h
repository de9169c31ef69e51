// Storage in a remote of rclone (kopia-format §2.6).
#pragma once

#include "blob/storage.h"

namespace cairn::blob {

// Starts rclone, which ends with the storage. `config` is that of a connection of type rclone. Errors: those of
// RcloneServer::start; invalid_argument.
Result<std::shared_ptr<Storage>> open_rclone(const Json& config, OpenOptions open, std::stop_token stop);

}  // namespace cairn::blob
