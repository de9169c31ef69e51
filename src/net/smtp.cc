#include "net/smtp.h"

#include <curl/curl.h>

#include <algorithm>
#include <cstring>
#include <memory>

namespace cairn::net {
namespace {

constexpr int kTlsPort = 465;

struct EasyDeleter {
  void operator()(CURL* p) const { curl_easy_cleanup(p); }
};
struct ListDeleter {
  void operator()(curl_slist* p) const { curl_slist_free_all(p); }
};

// Every line end becomes CR LF.
std::string with_crlf(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\n' && (out.empty() || out.back() != '\r')) {
      out += '\r';
    }
    out += c;
  }
  return out;
}

struct Upload {
  std::string_view rest;
  static std::size_t read(char* out, std::size_t size, std::size_t count, void* self) {
    std::string_view& rest = static_cast<Upload*>(self)->rest;
    const std::size_t n = std::min(size * count, rest.size());
    std::memcpy(out, rest.data(), n);
    rest.remove_prefix(n);
    return n;
  }
};

int stop_requested(void* token, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<std::stop_token*>(token)->stop_requested() ? 1 : 0;
}

bool is_loopback(std::string_view host) { return host == "localhost" || host == "::1" || host.starts_with("127."); }

// Control characters would end a command of the protocol early.
bool is_clean(std::string_view text) {
  return std::ranges::none_of(text,
                              [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == '<' || c == '>'; });
}

Status check(const SmtpRequest& r) {
  bool clean = is_clean(r.server) && is_clean(r.identity) && is_clean(r.from);
  for (const std::string& to : r.recipients) {
    clean = clean && is_clean(to) && !to.empty();
  }
  if (!clean || r.server.empty() || r.from.empty() || r.recipients.empty() || r.port < 1 || r.port > 65535) {
    return error(Code::invalid_argument,
                 "the mail needs a server, a port, a sender and recipients without control characters");
  }
  return {};
}

Status failure(CURLcode code, const char* detail, const std::string& where, const std::stop_token& stop) {
  if (stop.stop_requested()) {
    return Status(Code::cancelled, "cancelled");
  }
  const std::string text = *detail != 0 ? detail : curl_easy_strerror(code);
  switch (code) {
    case CURLE_LOGIN_DENIED:
      return error(Code::unauthenticated, "{}: the server refused user name or password", where);
    case CURLE_OPERATION_TIMEDOUT:
      return error(Code::deadline, "{}: no answer in time", where);
    case CURLE_USE_SSL_FAILED:
      return error(Code::failed_precondition, "{}: the server offers no TLS, the password is not sent without", where);
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CACERT_BADFILE:
      return error(Code::failed_precondition, "{}: tls: {}", where, text);
    case CURLE_COULDNT_CONNECT:
      return error(Code::unavailable, "dial {}: connection refused", where);
    case CURLE_COULDNT_RESOLVE_HOST:
      return error(Code::unavailable, "lookup {}: no such host", where);
    default:
      return error(Code::unavailable, "{}: {}", where, text);
  }
}

}  // namespace

Status send_mail(const SmtpRequest& request, std::stop_token stop) {
  TRY(check(request));
  static const CURLcode once = curl_global_init(CURL_GLOBAL_DEFAULT);
  CHECK(once == CURLE_OK, "mail library cannot start");
  const std::unique_ptr<CURL, EasyDeleter> easy(curl_easy_init());
  std::unique_ptr<curl_slist, ListDeleter> recipients;
  for (const std::string& to : request.recipients) {
    curl_slist* grown = curl_slist_append(recipients.get(), ("<" + to + ">").c_str());
    (void)recipients.release();
    recipients.reset(grown);
  }
  CURL* c = easy.get();
  const bool v6 = request.server.find(':') != std::string::npos;
  const std::string host = v6 ? "[" + request.server + "]" : request.server;
  const std::string where = fmt::format("{}:{}", host, request.port);
  const std::string url =
      fmt::format("{}://{}/{}", request.port == kTlsPort ? "smtps" : "smtp", where, request.identity);
  const std::string from = "<" + request.from + ">";
  const std::string message = with_crlf(request.message);
  Upload upload{message};
  char detail[CURL_ERROR_SIZE] = "";
  curl_easy_setopt(c, CURLOPT_URL, url.c_str());
  curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
  curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(c, CURLOPT_PROXY, "");
  curl_easy_setopt(c, CURLOPT_ERRORBUFFER, detail);
  curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, static_cast<long>(request.deadline.ns / 1'000'000));
  curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, stop_requested);
  curl_easy_setopt(c, CURLOPT_XFERINFODATA, &stop);
  curl_easy_setopt(c, CURLOPT_MAIL_FROM, from.c_str());
  curl_easy_setopt(c, CURLOPT_MAIL_RCPT, recipients.get());
  curl_easy_setopt(c, CURLOPT_UPLOAD, 1L);
  curl_easy_setopt(c, CURLOPT_READFUNCTION, &Upload::read);
  curl_easy_setopt(c, CURLOPT_READDATA, &upload);
  const bool must_hide = !request.username.empty() && !is_loopback(request.server);
  curl_easy_setopt(c, CURLOPT_USE_SSL, static_cast<long>(must_hide ? CURLUSESSL_ALL : CURLUSESSL_TRY));
  if (!request.username.empty()) {
    curl_easy_setopt(c, CURLOPT_USERNAME, request.username.c_str());
    curl_easy_setopt(c, CURLOPT_PASSWORD, request.password.c_str());
  }
  curl_blob authorities{};
  if (!request.root_ca_pem.empty()) {
    authorities.data = const_cast<char*>(request.root_ca_pem.data());
    authorities.len = request.root_ca_pem.size();
    authorities.flags = CURL_BLOB_NOCOPY;
    curl_easy_setopt(c, CURLOPT_CAINFO_BLOB, &authorities);
  }
  const CURLcode code = curl_easy_perform(c);
  return code == CURLE_OK ? Status() : failure(code, detail, where, stop);
}

}  // namespace cairn::net
