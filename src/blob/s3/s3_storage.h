// Storage in a bucket of an S3 server: key = prefix + blob id. docs/format/blobs.md (kopia-format §2.7)
#pragma once

#include "blob/s3/s3_options.h"

namespace cairn::blob {

// Asks for the bucket's storage classes, so a wrong address, key or bucket is an error here. With options.point_in_time
// the storage is read-only and shows the newest versions of that time; the bucket must keep versions.
// Requests are retried, as a caller of the result need not.
Result<std::shared_ptr<Storage>> open_s3(const S3Options& options, OpenOptions open, std::stop_token stop);

}  // namespace cairn::blob
