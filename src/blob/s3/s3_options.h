// Connection to a bucket, as stored in the configuration. docs/format/blobs.md (kopia-format §2.2, 2.7)
#pragma once

#include <optional>
#include <string>

#include "blob/storage.h"

namespace cairn::blob {

struct S3Options {
  std::string bucket;
  std::string prefix;                         // put in front of every blob id as it is
  std::string endpoint = "s3.amazonaws.com";  // host[:port]
  bool use_tls = true;
  bool verify_tls = true;
  std::string root_ca_pem;
  std::string access_key, secret_key, session_token;  // keys empty: from the environment
  std::string role_arn, session_name, role_endpoint, role_region, web_identity_token, web_identity_token_file;
  Duration role_duration{};  // of keys for a role; 0: the service's default
  std::string region;        // empty: found out
  std::optional<Timestamp> point_in_time;
  Json config;  // all of it, for connection_info()

  Duration rewrite_distance = seconds(1);  // between two writes of one key; not part of the configuration

  std::int64_t multipart_threshold = std::int64_t{1} << 30;  // bytes; longer blobs are put in parts
  std::int64_t part_size = std::int64_t{64} << 20;           // at least

  // Errors: invalid_argument.
  static Result<S3Options> from_json(const Json& config);
};

}  // namespace cairn::blob
