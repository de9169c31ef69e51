// Storage on a WebDAV server (kopia-format §2.6).
#pragma once

#include "blob/storage.h"

namespace cairn::blob {

// `config` is that of a connection of type webdav. Errors: those of net::HttpClient; permission_denied;
// invalid_argument; not_found (no such folder, unless it is made).
Result<std::shared_ptr<Storage>> open_webdav(const Json& config, OpenOptions open, std::stop_token stop);

}  // namespace cairn::blob
