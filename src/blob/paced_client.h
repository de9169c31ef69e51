// An HTTP client that sends no more than its server asks for.
#pragma once

#include "blob/pacer.h"
#include "net/http.h"

namespace cairn::blob {

// Thread-safe. Answers of 429 and 503 slow the following requests down, others speed them up again.
class PacedClient {
 public:
  explicit PacedClient(std::shared_ptr<net::HttpClient> http) : http_(std::move(http)) {}

  // As HttpClient::send, after this request's turn has come.
  Result<net::HttpResponse> send(const net::HttpRequest& request, std::stop_token stop) {
    if (!pacer_.wait(stop)) {
      return error(Code::cancelled, "cancelled");
    }
    auto response = http_->send(request, std::move(stop));
    if (response.ok() && (response->status == 429 || response->status == 503)) {
      pacer_.throttled(response->retry_after_seconds());
    } else if (response.ok() && response->ok()) {
      pacer_.succeeded();
    }
    return response;
  }
  // For requests that are no load to that server (tokens, other machines).
  const std::shared_ptr<net::HttpClient>& http() const { return http_; }

 private:
  const std::shared_ptr<net::HttpClient> http_;
  Pacer pacer_;
};

}  // namespace cairn::blob
