// Storage on an SFTP server (kopia-format §2.5).
#pragma once

#include "blob/storage.h"

namespace cairn::blob {

// `config` is that of a connection of type sftp. Errors: those of byte_channel.h; invalid_argument; not_found (no such
// root, unless it is made).
Result<std::shared_ptr<Storage>> open_sftp(const Json& config, OpenOptions open, std::stop_token stop);

}  // namespace cairn::blob
