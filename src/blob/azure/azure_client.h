// Requests to Azure's blob service: addresses, signatures, tokens.
#pragma once

#include "base/json.h"
#include "blob/paced_client.h"
#include "net/bearer_token.h"

namespace cairn::blob {

struct AzureOptions {
  std::string container, prefix, account;
  std::string storage_key;  // base64
  std::string sas_token;    // query, with or without '?'
  // Service principal: secret, or certificate (PEM with its RSA key: text or file name), or file with a token.
  std::string tenant_id, client_id, client_secret, client_certificate, token_file;
  std::string domain = "blob.core.windows.net";
  bool use_tls = true;
  std::optional<Timestamp> point_in_time;
  static Result<AzureOptions> from_json(const Json& config);
};

struct AzureCall {
  std::string method = "GET";
  std::string blob;                                        // name, "": the container
  std::vector<std::pair<std::string, std::string>> query;  // not encoded
  std::vector<net::Header> headers;
  GatherView body{};
};

class AzureClient {
 public:
  // Errors: invalid_argument (no credentials, a key that is not base64).
  static Result<std::shared_ptr<AzureClient>> create(AzureOptions options);
  // Any status is success. Errors: those of HttpClient; permission_denied (no token to be had).
  Result<net::HttpResponse> send(const AzureCall& call, std::stop_token stop);

 private:
  AzureClient(AzureOptions options, Bytes key, std::shared_ptr<net::HttpClient> client);
  void sign(net::HttpRequest& request, const AzureCall& call, const std::string& path) const;

  const AzureOptions options_;
  const Bytes key_;
  PacedClient client_;
  std::unique_ptr<net::BearerToken> token_;
};

// Code and the service's word for it ("ContainerNotFound") of a refusal.
Status azure_error(const net::HttpResponse& response, std::string_view what);

}  // namespace cairn::blob
