// HTTP client: one for all stores and for notifications. The library behind it stays in http.cc.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/time.h"

namespace cairn::net {

struct Header {
  std::string name, value;
};

struct HttpRequest {
  std::string method = "GET";
  std::string url;  // encoded; http or https
  std::vector<Header> headers;
  GatherView body;                                   // borrowed for the call; sent with PUT and POST even when empty
  Duration deadline{};                               // of the whole call, 0: the client's
  std::size_t response_max = std::size_t{64} << 20;  // bytes; a longer body is corrupt

  void set(std::string_view name, std::string_view value) {
    headers.push_back({std::string(name), std::string(value)});
  }
  // Range header; length −1: to the end.
  void set_range(std::int64_t offset, std::int64_t length);
};

struct HttpResponse {
  int status = 0;
  std::vector<Header> headers;  // as received
  Buffer body;
  // Value of the (last) header of that name in any case, nullptr when absent.
  const std::string* header(std::string_view name) const;
  std::string_view header_or_empty(std::string_view name) const;
  std::optional<Timestamp> date() const;  // the server's clock
  // Retry-After as seconds (both of its forms), 0 when absent.
  double retry_after_seconds() const;
  bool ok() const { return status >= 200 && status < 300; }
};

struct HttpOptions {
  std::string root_ca_pem;              // trusted instead of the system's authorities
  bool verify_tls = true;               //
  std::string certificate_fingerprint;  // SHA-256, hex: exactly this certificate is trusted, by whomever signed
  std::string unix_socket;              // path: connections go to this socket file, whatever host a URL names
  std::string user_agent = "cairn";
  Duration connect_timeout = seconds(20);
  Duration stall_timeout = seconds(60);  // without a single byte in either direction
  Duration deadline = minutes(10);       // of one request
  int redirects_max = 0;                 // followed for GET and HEAD
  std::size_t idle_connections_max = 64;
};

struct HttpStats {
  std::atomic<std::int64_t> requests{0}, failures{0};          // failures: no complete response
  std::atomic<std::int64_t> bytes_sent{0}, bytes_received{0};  // bodies
};

// Thread-safe; each call blocks its thread. Connections are kept open and used again; there are as many as calls at
// one time. Proxies come from the environment (http_proxy, https_proxy, no_proxy in either case), never for loopback.
class HttpClient {
 public:
  // Errors: invalid_argument (unreadable certificates).
  static Result<std::shared_ptr<HttpClient>> create(const HttpOptions& options);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // Any status the server answers with is success of this call. Errors:
  // unavailable: "lookup HOST: no such host", "dial HOST: connection refused", connection lost, body cut short.
  // deadline: no answer in time. cancelled: at once after a stop request. invalid_argument: malformed URL.
  // failed_precondition: "tls: …", the certificate cannot be verified (a retry would not help).
  // corrupt: not HTTP, or a body longer than response_max.
  Result<HttpResponse> send(const HttpRequest& request, std::stop_token stop);
  const HttpStats& stats() const;

 private:
  struct Impl;
  explicit HttpClient(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Code and Retry-After of a refusing answer (any status ≥ 300), text "what: HTTP STATUS REASON": 401, 403 →
// permission_denied, 404 → not_found, 408, 429, 5xx → unavailable, 409 → conflict, 412 → failed_precondition,
// 507 → resource_exhausted, else internal.
Status http_error(const HttpResponse& response, std::string_view what);
Code code_of_http_status(int status);

// "Fri, 24 May 2013 00:00:00 GMT" and the older forms. nullopt when it is not a date.
std::optional<Timestamp> parse_http_date(std::string_view text);
std::string format_http_date(Timestamp t);

}  // namespace cairn::net
