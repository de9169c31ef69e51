// Storage in a container of Azure's blob service (kopia-format §2.8).
#pragma once

#include "blob/storage.h"

namespace cairn::blob {

// `config` is that of a connection of type azureBlob. Looks at the container, so that a wrong address, key or container
// is an error here: unavailable, permission_denied, not_found; invalid_argument, unsupported.
Result<std::shared_ptr<Storage>> open_azure(const Json& config, OpenOptions open, std::stop_token stop);

}  // namespace cairn::blob
