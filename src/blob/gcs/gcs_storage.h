// Storage in a bucket of Google Cloud Storage, through its JSON interface (kopia-format §2.8).
#pragma once

#include "blob/storage.h"

namespace cairn::blob {

// `config` is that of a connection of type gcs. STORAGE_EMULATOR_HOST (host:port or URL) leads elsewhere, without
// credentials. Looks at the bucket, so that a wrong address, key or bucket is an error here: unavailable,
// permission_denied, not_found; invalid_argument (credentials), unsupported.
Result<std::shared_ptr<Storage>> open_gcs(const Json& config, OpenOptions open, std::stop_token stop);

}  // namespace cairn::blob
