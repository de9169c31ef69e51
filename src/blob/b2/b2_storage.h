// Storage in a bucket of Backblaze B2, through its native interface (kopia-format §2.8).
#pragma once

#include "blob/storage.h"

namespace cairn::blob {

// `config` is that of a connection of type b2. Authorises and looks at the bucket, so that a wrong address, key or
// bucket is an error here: unavailable, permission_denied, failed_precondition; invalid_argument.
// B2_ENVIRONMENT, if it is a URL, leads to another authority than Backblaze's.
Result<std::shared_ptr<Storage>> open_b2(const Json& config, OpenOptions open, std::stop_token stop);

}  // namespace cairn::blob
