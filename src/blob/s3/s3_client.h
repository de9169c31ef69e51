// Signed requests to one bucket. Internal to blob/s3.
#pragma once

#include <atomic>

#include "base/guarded.h"
#include "blob/pacer.h"
#include "blob/s3/s3_credentials.h"
#include "net/http.h"
#include "net/sigv4.h"

namespace cairn::blob {

struct S3Call {
  std::string method = "GET";
  std::string key{};    // "": the bucket itself
  std::string query{};  // encoded
  std::vector<net::Header> headers{};
  GatherView body{};
  std::size_t response_max = std::size_t{16} << 20;
};

// Thread-safe. Sends each request once, again only to correct what the server said is wrong about the request: its
// region (when none was configured) or its time.
class S3Client {
 public:
  static Result<std::shared_ptr<S3Client>> create(S3Options options);

  // An answer of 200–299, otherwise an error whose code fits the service's own error code. not_found means the key only
  // (a missing bucket is failed_precondition). `answered`, if given, tells whether the server decided: false after
  // errors that leave open whether a write took place.
  Result<net::HttpResponse> call(const S3Call& call, std::stop_token stop, bool* answered = nullptr);

  const S3Options& options() const { return options_; }
  // By the server's clock, as far as it is known.
  Timestamp now() const;

 private:
  struct Failure;
  S3Client(S3Options options, std::shared_ptr<S3Credentials> credentials, std::shared_ptr<net::HttpClient> http);
  Result<net::HttpResponse> send(const S3Call& call, const std::stop_token& stop);
  std::string url_of(const S3Call& call, const std::string& region) const;
  Status to_status(const Failure& failure, const S3Call& call) const;
  bool correct(const Failure& failure);

  const S3Options options_;
  const std::shared_ptr<net::HttpClient> http_;
  const std::shared_ptr<S3Credentials> credentials_;
  Pacer pacer_;
  mutable Guarded<std::string> region_;
  std::atomic<std::int64_t> skew_ns_{0};  // server − ours
};

}  // namespace cairn::blob
