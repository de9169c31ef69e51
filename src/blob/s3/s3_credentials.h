// Where the keys of S3 requests come from: the configuration, the environment, a role, the machine. Internal to
// blob/s3.
#pragma once

#include <functional>
#include <mutex>

#include "blob/s3/s3_options.h"
#include "net/http.h"
#include "net/sigv4.h"

namespace cairn::blob {

// Keys that are good until `expires` (none: for ever).
struct S3Keys {
  net::SigV4Credentials credentials;
  std::optional<Timestamp> expires;
};

// Thread-safe; one thread fetches new keys, the others wait for it.
class S3Credentials {
 public:
  // In this order: keys of the configuration or the environment; a role with a web identity (configured, or as the
  // environment of a pod names it); the container's endpoint; the instance's metadata service. With a role and no web
  // identity those keys only ask for the role's. Nothing is fetched yet. Errors: invalid_argument.
  static Result<std::shared_ptr<S3Credentials>> create(const S3Options& options);

  // A signer with keys that last a while longer. Errors: invalid_argument (no keys anywhere), permission_denied
  // (refused), those of HttpClient.
  Result<std::shared_ptr<const net::SigV4Signer>> signer(const std::stop_token& stop);
  // The service says that the keys have expired: true when there may be other ones.
  bool expired();

 private:
  using Fetch = std::function<Result<S3Keys>(const std::stop_token&)>;
  explicit S3Credentials(Fetch fetch) : fetch_(std::move(fetch)) {}

  const Fetch fetch_;
  std::mutex mutex_;
  std::shared_ptr<const net::SigV4Signer> signer_;
  std::optional<Timestamp> renew_at_, expires_;
};

}  // namespace cairn::blob
