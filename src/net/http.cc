#include "net/http.h"

#include <curl/curl.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <functional>
#include <mutex>

#include "base/units.h"
#include "net/url.h"

namespace cairn::net {
namespace {

constexpr std::size_t kHeadersMax = 1000;
constexpr long kBufferBytes = 128 << 10;

void initialise_library() {
  static const CURLcode once = curl_global_init(CURL_GLOBAL_DEFAULT);
  CHECK(once == CURLE_OK, "HTTP library cannot start");
}

struct EasyDeleter {
  void operator()(CURL* p) const { curl_easy_cleanup(p); }
};
struct MultiDeleter {
  void operator()(CURLM* p) const { curl_multi_cleanup(p); }
};
struct ShareDeleter {
  void operator()(CURLSH* p) const { curl_share_cleanup(p); }
};
struct ListDeleter {
  void operator()(curl_slist* p) const { curl_slist_free_all(p); }
};
using Easy = std::unique_ptr<CURL, EasyDeleter>;
using Multi = std::unique_ptr<CURLM, MultiDeleter>;
using HeaderList = std::unique_ptr<curl_slist, ListDeleter>;

// One caller at a time: a handle and the connection it keeps open.
struct Slot {
  Multi multi{curl_multi_init()};
  Easy easy{curl_easy_init()};
};

// Reads the parts of a request's body in order.
struct BodyReader {
  GatherView parts;
  std::size_t part = 0, offset = 0;
  std::int64_t sent = 0;

  static std::size_t read(char* out, std::size_t size, std::size_t count, void* self) {
    return static_cast<BodyReader*>(self)->take(out, size * count);
  }
  std::size_t take(char* out, std::size_t room) {
    std::size_t done = 0;
    while (done < room && part < parts.size()) {
      const std::size_t n = std::min(room - done, parts[part].size() - offset);
      if (n > 0) {
        std::memcpy(out + done, parts[part].data() + offset, n);
      }
      done += n;
      offset += n;
      if (offset == parts[part].size()) {
        ++part;
        offset = 0;
      }
    }
    sent += static_cast<std::int64_t>(done);
    return done;
  }
  // The library starts over when a kept connection turns out to be closed.
  static int seek(void* self, curl_off_t to, int origin) {
    auto& reader = *static_cast<BodyReader*>(self);
    if (origin != SEEK_SET || to < 0) {
      return CURL_SEEKFUNC_CANTSEEK;
    }
    reader.part = reader.offset = 0;
    auto left = static_cast<std::size_t>(to);
    while (left > 0 && reader.part < reader.parts.size()) {
      const std::size_t n = std::min(left, reader.parts[reader.part].size());
      left -= n;
      if (n == reader.parts[reader.part].size()) {
        ++reader.part;
      } else {
        reader.offset = n;
      }
    }
    return left == 0 ? CURL_SEEKFUNC_OK : CURL_SEEKFUNC_FAIL;
  }
};

struct Receiver {
  HttpResponse response;
  std::size_t response_max = 0;
  bool too_long = false;

  static std::size_t header(char* data, std::size_t size, std::size_t count, void* self) {
    return static_cast<Receiver*>(self)->take_header({data, size * count}) ? size * count : 0;
  }
  bool take_header(std::string_view line) {
    if (line.starts_with("HTTP/")) {  // of the next response, after "100 Continue" or a redirect
      response.headers.clear();
      return true;
    }
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) {
      return true;
    }
    if (response.headers.size() == kHeadersMax) {
      too_long = true;
      return false;
    }
    response.headers.push_back({std::string(trim(line.substr(0, colon))), std::string(trim(line.substr(colon + 1)))});
    const Header& added = response.headers.back();
    std::size_t length = 0;
    if (equals_ignore_case(added.name, "content-length") &&
        std::from_chars(added.value.data(), added.value.data() + added.value.size(), length).ec == std::errc()) {
      expected = std::min(length, response_max);
    }
    return true;
  }
  static std::size_t body(char* data, std::size_t size, std::size_t count, void* self) {
    return static_cast<Receiver*>(self)->take_body({data, size * count}) ? size * count : 0;
  }
  bool take_body(std::string_view bytes) {
    if (bytes.size() > response_max - response.body.size()) {
      too_long = true;
      return false;
    }
    if (response.body.empty()) {
      response.body.reserve(std::max(expected, bytes.size()));
    }
    response.body.append(bytes);
    return true;
  }
  std::size_t expected = 0;
};

// --- pinned certificates

int verify_pinned(X509_STORE_CTX* store, void* wanted_hex) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned length = 0;
  X509* certificate = X509_STORE_CTX_get0_cert(store);
  const bool same = certificate != nullptr && X509_digest(certificate, EVP_sha256(), digest, &length) == 1 &&
                    equals_ignore_case(hex_encode({digest, length}), *static_cast<const std::string*>(wanted_hex));
  X509_STORE_CTX_set_error(store, same ? X509_V_OK : X509_V_ERR_CERT_REJECTED);
  return same ? 1 : 0;
}

CURLcode pin_certificate(CURL*, void* context, void* wanted_hex) {
  SSL_CTX_set_cert_verify_callback(static_cast<SSL_CTX*>(context), verify_pinned, wanted_hex);
  return CURLE_OK;
}

// --- failures

struct Failure {
  CURLcode library;
  Code code;
  const char* text;
};
// Everything else is a lost connection: unavailable.
constexpr Failure kFailures[] = {
    {CURLE_OPERATION_TIMEDOUT, Code::deadline, "no answer in time"},
    {CURLE_PEER_FAILED_VERIFICATION, Code::failed_precondition, "tls: failed to verify certificate"},
    {CURLE_SSL_CACERT_BADFILE, Code::failed_precondition, "tls: unreadable certificate authorities"},
    {CURLE_SSL_ISSUER_ERROR, Code::failed_precondition, "tls: failed to verify certificate"},
    {CURLE_SSL_CONNECT_ERROR, Code::unavailable, "tls: handshake failed"},
    {CURLE_PARTIAL_FILE, Code::unavailable, "response was cut short"},
    {CURLE_GOT_NOTHING, Code::unavailable, "connection closed without an answer"},
    {CURLE_WEIRD_SERVER_REPLY, Code::corrupt, "the answer is not HTTP"},
    {CURLE_UNSUPPORTED_PROTOCOL, Code::corrupt, "the answer is not HTTP"},
    {CURLE_URL_MALFORMAT, Code::invalid_argument, "malformed URL"},
    {CURLE_TOO_MANY_REDIRECTS, Code::unavailable, "too many redirects"},
};

Status failure_status(CURL* easy, CURLcode result, const Url& url, const std::string& unix_socket, const char* detail) {
  if (result == CURLE_COULDNT_RESOLVE_HOST) {
    return error(Code::unavailable, "dial tcp: lookup {}: no such host", url.host());
  }
  if (result == CURLE_COULDNT_RESOLVE_PROXY) {
    return error(Code::unavailable, "dial tcp: lookup of the proxy: no such host");
  }
  if (result == CURLE_COULDNT_CONNECT) {
    long reason = 0;
    curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &reason);
    return error(Code::unavailable, "dial {} {}: connect: {}", unix_socket.empty() ? "tcp" : "unix",
                 unix_socket.empty() ? url.authority : unix_socket,
                 reason != 0 ? errno_text(static_cast<int>(reason)) : detail);
  }
  if (*detail == 0) {
    detail = curl_easy_strerror(result);
  }
  for (const Failure& each : kFailures) {
    if (each.library == result) {
      return error(each.code, "{}: {}: {}", url.authority, each.text, detail);
    }
  }
  return error(Code::unavailable, "{}: connection lost: {}", url.authority, detail);
}

// --- proxies

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

bool is_loopback(const std::string& host) {
  return host == "localhost" || host.ends_with(".localhost") || host.starts_with("127.") || host == "::1";
}

}  // namespace

struct HttpClient::Impl {
  HttpOptions options;
  HttpStats stats;
  std::array<std::mutex, CURL_LOCK_DATA_LAST> share_locks;
  std::unique_ptr<CURLSH, ShareDeleter> share;
  std::mutex mutex;
  std::vector<std::unique_ptr<Slot>> idle;  // the last used one last

  explicit Impl(HttpOptions o) : options(std::move(o)), share(curl_share_init()) {
    curl_share_setopt(share.get(), CURLSHOPT_SHARE, CURL_LOCK_DATA_DNS);
    curl_share_setopt(share.get(), CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
    curl_share_setopt(share.get(), CURLSHOPT_USERDATA, this);
    curl_share_setopt(share.get(), CURLSHOPT_LOCKFUNC, lock_share);
    curl_share_setopt(share.get(), CURLSHOPT_UNLOCKFUNC, unlock_share);
  }
  static void lock_share(CURL*, curl_lock_data what, curl_lock_access, void* self) {
    static_cast<Impl*>(self)->share_locks[what].lock();
  }
  static void unlock_share(CURL*, curl_lock_data what, void* self) {
    static_cast<Impl*>(self)->share_locks[what].unlock();
  }

  std::unique_ptr<Slot> take_slot() {
    const std::lock_guard lock(mutex);
    if (idle.empty()) {
      return std::make_unique<Slot>();
    }
    auto slot = std::move(idle.back());
    idle.pop_back();
    return slot;
  }
  void give_back(std::unique_ptr<Slot> slot) {
    const std::lock_guard lock(mutex);
    if (idle.size() < options.idle_connections_max) {
      idle.push_back(std::move(slot));
    }
  }

  void set_connection_options(CURL* easy, const HttpRequest& request, const Url& url);
  void set_request_options(CURL* easy, const HttpRequest& request, const curl_slist* headers, BodyReader* body);
  CURLcode perform(Slot& slot, const std::stop_token& stop, bool& stopped);
};

void HttpClient::Impl::set_connection_options(CURL* easy, const HttpRequest& request, const Url& url) {
  const auto set = [easy](CURLoption option, auto value) {
    const CURLcode done = curl_easy_setopt(easy, option, value);
    CHECK(done == CURLE_OK, "HTTP option {}: {}", static_cast<int>(option), curl_easy_strerror(done));
  };
  const Duration deadline = request.deadline.ns > 0 ? request.deadline : options.deadline;
  set(CURLOPT_SHARE, share.get());
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_QUICK_EXIT, 1L);  // a stop does not wait for name servers
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  set(CURLOPT_TCP_KEEPALIVE, 1L);
  set(CURLOPT_BUFFERSIZE, kBufferBytes);
  set(CURLOPT_UPLOAD_BUFFERSIZE, kBufferBytes);
  set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(options.connect_timeout.ns / 1'000'000));
  set(CURLOPT_TIMEOUT_MS, std::max(1L, static_cast<long>(deadline.ns / 1'000'000)));
  set(CURLOPT_LOW_SPEED_LIMIT, 1L);
  set(CURLOPT_LOW_SPEED_TIME, static_cast<long>(options.stall_timeout.seconds()));
  const bool only_reads = request.method == "GET" || request.method == "HEAD";
  set(CURLOPT_FOLLOWLOCATION, options.redirects_max > 0 && only_reads ? 1L : 0L);
  set(CURLOPT_MAXREDIRS, static_cast<long>(options.redirects_max));
  if (!options.certificate_fingerprint.empty()) {
    set(CURLOPT_SSL_VERIFYHOST, 0L);
    set(CURLOPT_SSL_CTX_FUNCTION, pin_certificate);
    set(CURLOPT_SSL_CTX_DATA, &options.certificate_fingerprint);
  } else if (!options.verify_tls) {
    set(CURLOPT_SSL_VERIFYHOST, 0L);
    set(CURLOPT_SSL_VERIFYPEER, 0L);
  }
  if (!options.root_ca_pem.empty()) {
    curl_blob pem = {options.root_ca_pem.data(), options.root_ca_pem.size(), CURL_BLOB_NOCOPY};
    set(CURLOPT_CAINFO_BLOB, &pem);
    set(CURLOPT_CAPATH, static_cast<const char*>(nullptr));
  }
  if (!options.unix_socket.empty()) {
    set(CURLOPT_UNIX_SOCKET_PATH, options.unix_socket.c_str());
    set(CURLOPT_PROXY, "");
  } else if (is_loopback(url.host())) {
    set(CURLOPT_PROXY, "");
  } else if (const std::string upper = environment("HTTP_PROXY");
             url.scheme == "http" && environment("http_proxy").empty() && !upper.empty()) {
    set(CURLOPT_PROXY, upper.c_str());  // the library itself reads this one in lower case only
  }
}

void HttpClient::Impl::set_request_options(CURL* easy, const HttpRequest& request, const curl_slist* headers,
                                           BodyReader* body) {
  curl_easy_setopt(easy, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);  // what was signed is sent
  curl_easy_setopt(easy, CURLOPT_USERAGENT, options.user_agent.c_str());
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
  const std::size_t size = gather_size(request.body);
  if (request.method == "HEAD") {
    curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
  } else if (request.method == "PUT" || request.method == "POST" || size > 0) {
    curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(size));
    curl_easy_setopt(easy, CURLOPT_READFUNCTION, &BodyReader::read);
    curl_easy_setopt(easy, CURLOPT_READDATA, body);
    curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, &BodyReader::seek);
    curl_easy_setopt(easy, CURLOPT_SEEKDATA, body);
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  } else if (request.method != "GET") {
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  }
}

CURLcode HttpClient::Impl::perform(Slot& slot, const std::stop_token& stop, bool& stopped) {
  CURLM* multi = slot.multi.get();
  const std::stop_callback wake(stop, [multi] { curl_multi_wakeup(multi); });
  curl_multi_add_handle(multi, slot.easy.get());
  CURLcode result = CURLE_OK;
  for (int running = 1; running > 0;) {
    if (stop.stop_requested()) {
      stopped = true;
      break;
    }
    CURLMcode step = curl_multi_perform(multi, &running);
    if (step == CURLM_OK && running > 0) {
      step = curl_multi_poll(multi, nullptr, 0, 1000, nullptr);
    }
    if (step != CURLM_OK) {
      result = CURLE_FAILED_INIT;
      break;
    }
  }
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi, &left)) {
    if (message->msg == CURLMSG_DONE) {
      result = message->data.result;
    }
  }
  curl_multi_remove_handle(multi, slot.easy.get());
  return result;
}

HttpClient::HttpClient(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpClient::~HttpClient() = default;

Result<std::shared_ptr<HttpClient>> HttpClient::create(const HttpOptions& options) {
  initialise_library();
  if (options.unix_socket.size() >= sizeof(sockaddr_un::sun_path)) {
    return error(Code::invalid_argument, "the path of a socket file has at most {} bytes: {}",
                 sizeof(sockaddr_un::sun_path) - 1, options.unix_socket);
  }
  if (!options.root_ca_pem.empty() && options.root_ca_pem.find("-----BEGIN CERTIFICATE-----") == std::string::npos) {
    return error(Code::invalid_argument, "certificate authority is not in PEM form");
  }
  return std::shared_ptr<HttpClient>(new HttpClient(std::make_unique<Impl>(options)));
}

Result<HttpResponse> HttpClient::send(const HttpRequest& request, std::stop_token stop) {
  if (stop.stop_requested()) {
    return error(Code::cancelled, "cancelled");
  }
  TRY_ASSIGN(const Url url, parse_url(request.url));
  HeaderList headers(curl_slist_append(nullptr, "Expect:"));
  for (const Header& header : request.headers) {
    // "Name;" is how the library sends a header without a value.
    const std::string line = header.name + (header.value.empty() ? ";" : ": " + header.value);
    if (line.find_first_of("\r\n") != std::string::npos) {
      return error(Code::invalid_argument, "line break in HTTP header {}", header.name);
    }
    curl_slist_append(headers.get(), line.c_str());
  }
  std::unique_ptr<Slot> slot = impl_->take_slot();
  CURL* easy = slot->easy.get();
  curl_easy_reset(easy);
  char detail[CURL_ERROR_SIZE] = {};
  BodyReader body{.parts = request.body};
  Receiver receiver{.response = {}, .response_max = request.response_max};
  impl_->set_connection_options(easy, request, url);
  impl_->set_request_options(easy, request, headers.get(), &body);
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, detail);
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, &Receiver::header);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, &receiver);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &Receiver::body);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, &receiver);
  ++impl_->stats.requests;
  bool stopped = false;
  const CURLcode result = impl_->perform(*slot, stop, stopped);
  impl_->stats.bytes_sent += body.sent;
  impl_->stats.bytes_received += static_cast<std::int64_t>(receiver.response.body.size());
  if (stopped) {
    return error(Code::cancelled, "cancelled");
  }
  if (result != CURLE_OK) {
    ++impl_->stats.failures;
    if (receiver.too_long) {
      return error(Code::corrupt, "{}: response is longer than {} bytes", url.authority, request.response_max);
    }
    return failure_status(easy, result, url, impl_->options.unix_socket, detail);
  }
  long status = 0;
  curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
  receiver.response.status = static_cast<int>(status);
  impl_->give_back(std::move(slot));
  return std::move(receiver.response);
}

const HttpStats& HttpClient::stats() const { return impl_->stats; }

std::optional<Timestamp> parse_http_date(std::string_view text) {
  const time_t seconds_since_epoch = curl_getdate(std::string(text).c_str(), nullptr);
  constexpr time_t kMax = 9'000'000'000;  // what nanoseconds in 64 bits can hold
  const bool usable = seconds_since_epoch >= 0 && seconds_since_epoch <= kMax;
  return usable ? std::optional(Timestamp::from_seconds(seconds_since_epoch)) : std::nullopt;
}

}  // namespace cairn::net
