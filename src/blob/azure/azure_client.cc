#include "blob/azure/azure_client.h"

#include <algorithm>
#include <cstdlib>
#include <map>

#include "base/random.h"
#include "base/units.h"
#include "crypto/kdf.h"
#include "net/jwt.h"
#include "net/url.h"
#include "sys/file.h"

namespace cairn::blob {
namespace {

constexpr std::string_view kApiVersion = "2021-12-02";
constexpr std::string_view kScope = "https://storage.azure.com/.default";
constexpr std::string_view kAssertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
constexpr std::size_t kBodyMax = std::size_t{1} << 30;

std::string token_url(const AzureOptions& options) {
  const char* host = std::getenv("AZURE_AUTHORITY_HOST");
  std::string base = host != nullptr && *host != 0 ? host : "https://login.microsoftonline.com/";
  return base + (base.ends_with('/') ? "" : "/") + net::percent_encode(options.tenant_id) + "/oauth2/v2.0/token";
}

// A token of our own that says who we are, good for ten minutes.
Result<std::string> sign_assertion(const AzureOptions& options) {
  std::string pem = options.client_certificate;
  if (pem.find("-----BEGIN") == std::string::npos) {
    TRY_ASSIGN(const Buffer text, sys::read_file(pem, 1 << 20));
    pem = text.text();
  }
  TRY_ASSIGN(const std::string thumbprint, net::certificate_thumbprint(pem));
  const std::int64_t now = system_clock().now().unix_seconds();
  const Json claims = Json::object({{"aud", token_url(options)},
                                    {"iss", options.client_id},
                                    {"sub", options.client_id},
                                    {"jti", random_hex(16)},
                                    {"nbf", now - 60},
                                    {"exp", now + 600}});
  return net::sign_jwt(claims, {"", thumbprint}, pem);
}

Result<std::string> token_form(const AzureOptions& options) {
  if (!options.client_secret.empty()) {
    return net::form_encode({{"grant_type", "client_credentials"},
                             {"client_id", options.client_id},
                             {"client_secret", options.client_secret},
                             {"scope", kScope}});
  }
  std::string assertion;
  if (!options.client_certificate.empty()) {
    TRY_ASSIGN(assertion, sign_assertion(options), "azure: client certificate");
  } else {
    // Read anew for each: it is replaced from outside before it expires.
    TRY_ASSIGN(const Buffer text, sys::read_file(options.token_file, 1 << 20), "reading federated token");
    assertion = trim(text.text());
  }
  return net::form_encode({{"grant_type", "client_credentials"},
                           {"client_id", options.client_id},
                           {"client_assertion_type", kAssertionType},
                           {"client_assertion", assertion},
                           {"scope", kScope}});
}

}  // namespace

Result<AzureOptions> AzureOptions::from_json(const Json& config) {
  AzureOptions options;
  const std::pair<const char*, std::string*> texts[] = {{"container", &options.container},
                                                        {"prefix", &options.prefix},
                                                        {"storageAccount", &options.account},
                                                        {"storageKey", &options.storage_key},
                                                        {"sasToken", &options.sas_token},
                                                        {"TenantID", &options.tenant_id},
                                                        {"ClientID", &options.client_id},
                                                        {"ClientSecret", &options.client_secret},
                                                        {"clientCertificate", &options.client_certificate},
                                                        {"azureFederatedTokenFile", &options.token_file}};
  for (const auto& [key, text] : texts) {
    *text = config[key].as_string();
  }
  if (const std::string& domain = config["storageDomain"].as_string(); !domain.empty()) {
    options.domain = domain;
  }
  options.use_tls = !config["doNotUseTLS"].as_bool();
  if (options.sas_token.starts_with('?')) {
    options.sas_token.erase(0, 1);
  }
  if (options.container.empty() || options.account.empty()) {
    return error(Code::invalid_argument, "azure storage needs a container and a storage account");
  }
  if (const std::string& when = config["pointInTime"].as_string(); !when.empty()) {
    TRY_ASSIGN(options.point_in_time, parse_rfc3339(when), "invalid pointInTime");
  }
  return options;
}

AzureClient::AzureClient(AzureOptions options, Bytes key, std::shared_ptr<net::HttpClient> client)
    : options_(std::move(options)), key_(std::move(key)), client_(std::move(client)) {
  if (key_.empty() && options_.sas_token.empty()) {
    token_ = std::make_unique<net::BearerToken>(client_.http(), token_url(options_),
                                                [this] { return token_form(options_); });
  }
}

Result<std::shared_ptr<AzureClient>> AzureClient::create(AzureOptions options) {
  const bool principal =
      !options.tenant_id.empty() && !options.client_id.empty() &&
      (!options.client_secret.empty() || !options.client_certificate.empty() || !options.token_file.empty());
  if (options.storage_key.empty() && options.sas_token.empty() && !principal) {
    return error(
        Code::invalid_argument,
        "azure: one of storage key, SAS token, client secret, client certificate or federated token (with tenant and "
        "client) must be provided");
  }
  const auto key = base64_decode(options.storage_key);
  if (!key.ok()) {
    return error(Code::invalid_argument, "azure: the storage key is not base64");
  }
  if (options.storage_key.empty() && options.sas_token.empty() && !options.client_certificate.empty()) {
    TRY(sign_assertion(options), "azure: client certificate");  // an unusable one is an error now
  }
  TRY_ASSIGN(auto client, net::HttpClient::create({}));
  return std::shared_ptr<AzureClient>(new AzureClient(std::move(options), *key, std::move(client)));
}

Result<net::HttpResponse> AzureClient::send(const AzureCall& call, std::stop_token stop) {
  const std::string origin = (options_.use_tls ? "https://" : "http://") + options_.account + "." + options_.domain;
  // The domain may go on with a path (emulators).
  TRY_ASSIGN(net::Url url, net::parse_url(origin), "azure storage domain");
  std::string path = url.path.ends_with('/') ? url.path : url.path + "/";
  path += net::percent_encode(options_.container);
  if (!call.blob.empty()) {
    path += "/" + net::percent_encode_path(call.blob);
  }
  url.path = path;
  std::string query;
  for (const auto& [name, value] : call.query) {
    query += (query.empty() ? "" : "&") + name + "=" + net::percent_encode(value);
  }
  if (!options_.sas_token.empty() && key_.empty()) {
    query += (query.empty() ? "" : "&") + options_.sas_token;
  }
  url.query = query;
  net::HttpRequest request;
  request.method = call.method;
  request.url = url.text();
  request.headers = call.headers;
  request.body = call.body;
  request.response_max = kBodyMax;
  request.set("x-ms-version", kApiVersion);
  request.set("x-ms-date", net::format_http_date(system_clock().now()));
  if (!key_.empty()) {
    sign(request, call, path);
  } else if (token_ != nullptr) {
    TRY_ASSIGN(const std::string token, token_->get(stop));
    request.set("Authorization", "Bearer " + token);
  }
  return client_.send(request, std::move(stop));
}

// "Authorize with Shared Key": method, standard headers, x-ms-… headers in order, account, path, query in order.
void AzureClient::sign(net::HttpRequest& request, const AzureCall& call, const std::string& path) const {
  std::map<std::string, std::string> ms_headers, standard;
  for (const net::Header& each : request.headers) {
    const std::string name = to_lower(each.name);
    (name.starts_with("x-ms-") ? ms_headers : standard)[name] = each.value;
  }
  if (const std::size_t size = gather_size(call.body); size > 0) {
    standard["content-length"] = std::to_string(size);
  }
  std::string text = request.method + "\n";
  for (const char* name : {"content-encoding", "content-language", "content-length", "content-md5", "content-type",
                           "date", "if-modified-since", "if-match", "if-none-match", "if-unmodified-since", "range"}) {
    text += standard[name] + "\n";
  }
  for (const auto& [name, value] : ms_headers) {
    text += name + ":" + value + "\n";
  }
  text += "/" + options_.account + path;
  for (const auto& [name, value] : std::map(call.query.begin(), call.query.end())) {
    text += "\n" + name + ":" + value;
  }
  request.set("Authorization",
              "SharedKey " + options_.account + ":" + base64_encode(crypto::hmac_sha256(key_, as_bytes(text))));
}

Status azure_error(const net::HttpResponse& response, std::string_view what) {
  const std::string_view word = response.header_or_empty("x-ms-error-code");
  Status status = net::http_error(response, what);
  return word.empty() ? status
                      : Status(status.code(), status.message() + " (" + std::string(word.substr(0, 80)) + ")")
                            .with_retry_after(status.retry_after_seconds());
}

}  // namespace cairn::blob
