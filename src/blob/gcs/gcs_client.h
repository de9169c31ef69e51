// Requests to Google Cloud Storage: addresses and tokens.
#pragma once

#include "base/json.h"
#include "blob/paced_client.h"
#include "net/bearer_token.h"

namespace cairn::blob {

struct GcsOptions {
  std::string bucket, prefix;
  Json credentials;  // of a service account, null: none
  bool read_only = false;
  std::string origin = "https://storage.googleapis.com";
  bool anonymous = false;  // an emulator
  std::optional<Timestamp> point_in_time;
  // Reads the credentials file, too. Errors: invalid_argument, unsupported.
  static Result<GcsOptions> from_json(const Json& config);
};

class GcsClient {
 public:
  // Errors: invalid_argument (unusable credentials).
  static Result<std::shared_ptr<GcsClient>> create(const GcsOptions& options);
  // `path` below the origin, encoded, with query. Any status is success. Errors: those of HttpClient;
  // permission_denied (no token to be had).
  Result<net::HttpResponse> send(net::HttpRequest request, const std::string& path, std::stop_token stop);

 private:
  GcsClient(std::string origin, std::shared_ptr<net::HttpClient> http)
      : origin_(std::move(origin)), client_(std::move(http)) {}
  const std::string origin_;
  PacedClient client_;
  std::unique_ptr<net::BearerToken> token_;  // null: anonymous
};

}  // namespace cairn::blob
