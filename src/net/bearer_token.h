// Access tokens of OAuth 2: fetched when needed, kept until shortly before they expire.
#pragma once

#include <functional>
#include <memory>
#include <mutex>

#include "net/http.h"

namespace cairn::net {

// Thread-safe; one thread fetches, the others wait for it.
class BearerToken {
 public:
  // The form-encoded body of a request for a new token. Secrets in it stay out of all messages.
  using Form = std::function<Result<std::string>()>;
  BearerToken(std::shared_ptr<HttpClient> client, std::string url, Form form)
      : client_(std::move(client)), url_(std::move(url)), form_(std::move(form)) {}
  // Errors: permission_denied (refused), those of the form and of HttpClient.
  Result<std::string> get(std::stop_token stop);

 private:
  const std::shared_ptr<HttpClient> client_;
  const std::string url_;
  const Form form_;
  std::mutex mutex_;
  std::string token_;
  std::int64_t good_until_ns_ = 0;  // monotonic
};

// "a=1&b=2", values encoded.
std::string form_encode(std::initializer_list<std::pair<std::string_view, std::string_view>> fields);

}  // namespace cairn::net
