// An object that is too long for one request. Internal to blob/s3.
#pragma once

#include "blob/s3/s3_client.h"

namespace cairn::blob {

// Puts the object in parts of options().part_size or more, several at a time; `headers` are those of the object. It
// becomes visible at the end, whole. On failure the parts are given up, so that they cost nothing; what even that
// failed for is left to the bucket's rules.
Status put_in_parts(S3Client& client, const std::string& key, std::vector<net::Header> headers, GatherView data,
                    const std::stop_token& stop);

}  // namespace cairn::blob
