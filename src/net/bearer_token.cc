#include "net/bearer_token.h"

#include "base/json.h"
#include "net/url.h"

namespace cairn::net {

Result<std::string> BearerToken::get(std::stop_token stop) {
  const std::lock_guard lock(mutex_);  // over the request: the others need its answer too
  if (monotonic_ns() < good_until_ns_) {
    return token_;
  }
  TRY_ASSIGN(const std::string form, form_());
  HttpRequest request;
  request.method = "POST";
  request.url = url_;
  request.set("Content-Type", "application/x-www-form-urlencoded");
  const ByteView parts[] = {as_bytes(form)};
  request.body = parts;
  TRY_ASSIGN(const HttpResponse response, client_->send(request, std::move(stop)), "fetching an access token");
  const auto json = Json::parse(response.body.text());
  if (!response.ok()) {
    // The server's short word ("invalid_client"); its longer texts may quote what was sent.
    const std::string word = json.ok() ? (*json)["error"].as_string() : "";
    Status refused = http_error(response, "fetching an access token" + (word.empty() ? "" : ": " + word));
    return refused.is(Code::unavailable) ? refused : std::move(refused).with_code(Code::permission_denied);
  }
  TRY(json, "access token");
  token_ = (*json)["access_token"].as_string();
  if (token_.empty()) {
    return error(Code::corrupt, "the answer holds no access token");
  }
  good_until_ns_ = monotonic_ns() + seconds((*json)["expires_in"].as_int(300) - 60).ns;
  return token_;
}

std::string form_encode(std::initializer_list<std::pair<std::string_view, std::string_view>> fields) {
  std::string out;
  for (const auto& [name, value] : fields) {
    out += (out.empty() ? "" : "&") + percent_encode(name) + "=" + percent_encode(value);
  }
  return out;
}

}  // namespace cairn::net
