// Pages of "list objects" and "list versions". Internal to blob/s3.
#pragma once

#include "blob/s3/s3_client.h"

namespace cairn::blob {

struct S3Entry {
  std::string key;
  std::string version;         // of version listings
  bool delete_marker = false;  // of version listings
  std::int64_t length = 0;
  Timestamp modified;
};

using S3EntryCallback = std::function<Status(const S3Entry&)>;

// Every object whose key starts with `prefix` and has no '/' behind options.prefix, in the server's order. Pages are
// retried; one that contradicts itself is unavailable, and after that an error.
Status list_objects(S3Client& client, std::string_view prefix, const S3EntryCallback& callback, std::stop_token stop);
// Every version, of one key newest first.
Status list_versions(S3Client& client, std::string_view prefix, const S3EntryCallback& callback, std::stop_token stop);

}  // namespace cairn::blob
