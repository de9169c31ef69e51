// Calls of B2's native interface: account, bucket, authorisation that runs out, upload addresses. Internal to blob/b2.
#pragma once

#include "base/guarded.h"
#include "base/json.h"
#include "blob/paced_client.h"

namespace cairn::blob {

struct B2Options {
  std::string bucket, prefix;
  std::string key_id, key;
  std::string authority = "https://api.backblazeb2.com";  // B2_ENVIRONMENT, if that is a URL
  Json config;                                            // all of it, for connection_info()
  // Errors: invalid_argument.
  static Result<B2Options> from_json(const Json& config);
};

class B2Client {
 public:
  // Authorises and finds the bucket. Errors: permission_denied (also when the key is one for another bucket or prefix),
  // failed_precondition (no such bucket), those of HttpClient.
  static Result<std::shared_ptr<B2Client>> connect(B2Options options, const std::stop_token& stop);

  // b2_NAME with the arguments and this bucket's id. Answers of 200 only; an authorisation that ran out is renewed
  // once. Errors: those of to_status() and of HttpClient; unavailable when the answer is no JSON.
  Result<Json> call(std::string_view name, Json arguments, const std::stop_token& stop);
  // GET or HEAD of a file by its name. Any status is success but 401 of an authorisation that ran out.
  Result<net::HttpResponse> download(net::HttpRequest request, const std::string& file, const std::stop_token& stop);
  // Stores a file, whose name and digest are in the headers. An address that refuses or breaks is left for another.
  Result<Json> upload(const std::vector<net::Header>& headers, GatherView data, const std::stop_token& stop);

  const B2Options& options() const { return options_; }
  // Code and words of the service for a refusal.
  static Status to_status(const net::HttpResponse& response, std::string_view what);

 private:
  struct Session {
    std::string token, api_url, download_url, account, bucket_id, only_prefix;
    std::string only_bucket;  // name, or "" when the key is for all
    bool restricted = false;  // to one bucket
  };
  using SessionPtr = std::shared_ptr<const Session>;
  struct UploadAddress {
    std::string url, token;
  };

  B2Client(B2Options options, std::shared_ptr<net::HttpClient> http)
      : options_(std::move(options)), http_(std::move(http)) {}
  Result<Session> authorize(const std::stop_token& stop);
  Result<std::string> find_bucket(const Session& session, const std::stop_token& stop);
  // The session in force; a new one when that is `refused`. One thread renews, the others wait for it.
  Result<SessionPtr> session(const SessionPtr& refused, const std::stop_token& stop);
  // Sends what `make` makes of a session, again with a new one when it has run out.
  template <class Make>
  Result<net::HttpResponse> send(Make&& make, const std::stop_token& stop);
  Result<UploadAddress> upload_address(const std::stop_token& stop);

  const B2Options options_;
  PacedClient http_;
  std::mutex renewing_;
  Guarded<SessionPtr> session_;
  Guarded<std::vector<UploadAddress>> addresses_;  // idle ones: each serves one upload at a time
};

}  // namespace cairn::blob
