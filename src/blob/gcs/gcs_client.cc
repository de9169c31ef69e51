#include "blob/gcs/gcs_client.h"

#include "net/jwt.h"
#include "sys/environment.h"
#include "sys/file.h"

namespace cairn::blob {
namespace {

constexpr std::string_view kGrantType = "urn:ietf:params:oauth:grant-type:jwt-bearer";
constexpr std::string_view kScopes = "https://www.googleapis.com/auth/devstorage.";
constexpr std::string_view kTokenUrl = "https://oauth2.googleapis.com/token";

Result<Json> read_credentials(const Json& config) {
  if (const Json& embedded = config["credentials"]; embedded.is_object()) {
    return embedded;
  }
  std::string path = config["credentialsFile"].as_string();
  if (path.empty()) {
    path = sys::environment("GOOGLE_APPLICATION_CREDENTIALS");
  }
  if (path.empty()) {
    return error(Code::invalid_argument,
                 "gcs: credentials must be provided: --credentials-file with a service account");
  }
  auto text = sys::read_file(path, 1 << 20);
  if (!text.ok()) {
    return std::move(text).status().with_code(Code::invalid_argument).with_frame("gcs: unable to read credentials");
  }
  auto json = Json::parse(text->text());
  if (!json.ok()) {
    return error(Code::invalid_argument, "gcs: {} is not a credentials file", path);
  }
  return json;
}

}  // namespace

Result<GcsOptions> GcsOptions::from_json(const Json& config) {
  GcsOptions options;
  options.bucket = config["bucket"].as_string();
  options.prefix = config["prefix"].as_string();
  options.read_only = config["readOnly"].as_bool();
  if (options.bucket.empty()) {
    return error(Code::invalid_argument, "gcs storage needs a bucket");
  }
  if (const std::string& when = config["pointInTime"].as_string(); !when.empty()) {
    TRY_ASSIGN(options.point_in_time, parse_rfc3339(when), "invalid pointInTime");
  }
  if (const std::string emulator = sys::environment("STORAGE_EMULATOR_HOST"); !emulator.empty()) {
    options.origin = emulator.find("://") == std::string::npos ? "http://" + emulator : emulator;
    while (options.origin.ends_with('/')) {
      options.origin.pop_back();
    }
    options.anonymous = true;
    return options;
  }
  TRY_ASSIGN(options.credentials, read_credentials(config));
  if (options.credentials["type"].as_string() != "service_account") {
    return error(Code::unsupported,
                 "gcs: credentials of type \"{}\" are not supported, only those of a service account",
                 options.credentials["type"].as_string());
  }
  return options;
}

Result<std::shared_ptr<GcsClient>> GcsClient::create(const GcsOptions& options) {
  TRY_ASSIGN(auto http, net::HttpClient::create({}));
  std::shared_ptr<GcsClient> made(new GcsClient(options.origin, http));
  if (options.anonymous) {
    return made;
  }
  const Json& account = options.credentials;
  std::string token_url = account["token_uri"].as_string();
  if (token_url.empty()) {
    token_url = kTokenUrl;
  }
  const auto form = [account, token_url, read_only = options.read_only]() -> Result<std::string> {
    const std::int64_t now = system_clock().now().unix_seconds();
    const Json claims = Json::object({{"iss", account["client_email"].as_string()},
                                      {"scope", std::string(kScopes) + (read_only ? "read_only" : "full_control")},
                                      {"aud", token_url},
                                      {"iat", now},
                                      {"exp", now + 3600}});
    TRY_ASSIGN(const std::string assertion,
               net::sign_jwt(claims, {account["private_key_id"].as_string(), ""}, account["private_key"].as_string()),
               "gcs credentials");
    return net::form_encode({{"grant_type", kGrantType}, {"assertion", assertion}});
  };
  TRY(form());  // an unusable key is an error now
  made->token_ = std::make_unique<net::BearerToken>(std::move(http), token_url, form);
  return made;
}

Result<net::HttpResponse> GcsClient::send(net::HttpRequest request, const std::string& path, std::stop_token stop) {
  request.url = origin_ + path;
  if (token_ != nullptr) {
    TRY_ASSIGN(const std::string token, token_->get(stop));
    request.set("Authorization", "Bearer " + token);
  }
  return client_.send(request, std::move(stop));
}

}  // namespace cairn::blob
