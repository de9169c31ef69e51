#include "blob/s3/s3_credentials.h"

#include <algorithm>

#include "base/json.h"
#include "base/log.h"
#include "base/units.h"
#include "crypto/digest.h"
#include "net/bearer_token.h"
#include "net/url.h"
#include "net/xml.h"
#include "sys/environment.h"
#include "sys/file.h"

namespace cairn::blob {
namespace {

constexpr std::string_view kNoKeys =
    "no credentials: give --access-key and --secret-access-key, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";
constexpr std::string_view kInstanceService = "http://169.254.169.254";
constexpr std::string_view kContainerService = "http://169.254.170.2";
constexpr Duration kRenewAhead = minutes(5);
constexpr std::size_t kAnswerMax = 1 << 20;

using HttpPtr = std::shared_ptr<net::HttpClient>;

Result<net::HttpResponse> ask(const HttpPtr& http, net::HttpRequest request, const std::stop_token& stop,
                              Duration deadline = seconds(20)) {
  request.response_max = kAnswerMax;
  request.deadline = deadline;
  return http->send(request, stop);
}

Result<S3Keys> keys_of_json(const net::HttpResponse& response, std::string_view what) {
  const auto json = Json::parse(response.body.text());
  if (!json.ok() || (*json)["AccessKeyId"].as_string().empty()) {
    return error(Code::permission_denied, "{}: the answer holds no keys", what);
  }
  S3Keys keys{
      {(*json)["AccessKeyId"].as_string(), (*json)["SecretAccessKey"].as_string(), (*json)["Token"].as_string()},
      std::nullopt};
  if (const std::string& when = (*json)["Expiration"].as_string(); !when.empty()) {
    TRY_ASSIGN(keys.expires, parse_rfc3339(when), "{}", what);
  }
  return keys;
}

// --- the machine ---

Result<S3Keys> container_keys(const HttpPtr& http, const std::string& url, const std::stop_token& stop) {
  constexpr std::string_view kWhat = "asking the container's credentials";
  net::HttpRequest request;
  request.url = url;
  std::string authorization = sys::environment("AWS_CONTAINER_AUTHORIZATION_TOKEN");
  if (const std::string file = sys::environment("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"); !file.empty()) {
    TRY_ASSIGN(const Buffer text, sys::read_file(file, kAnswerMax), "{}", kWhat);
    authorization = trim(text.text());
  }
  if (!authorization.empty()) {
    request.set("Authorization", authorization);
  }
  TRY_ASSIGN(const net::HttpResponse response, ask(http, std::move(request), stop), "{}", kWhat);
  TRY(response.ok() ? Status() : net::http_error(response, kWhat));
  return keys_of_json(response, kWhat);
}

// Version 2 of the instance's metadata service: a token first, then the name of the role, then its keys.
Result<S3Keys> instance_keys(const HttpPtr& http, const std::stop_token& stop) {
  constexpr std::string_view kWhat = "asking the instance's credentials";
  std::string service = sys::environment("AWS_EC2_METADATA_SERVICE_ENDPOINT");
  if (service.empty()) {
    service = kInstanceService;
  }
  while (service.ends_with('/')) {
    service.pop_back();
  }
  net::HttpRequest first;
  first.method = "PUT";
  first.url = service + "/latest/api/token";
  first.set("X-aws-ec2-metadata-token-ttl-seconds", "21600");
  auto token = ask(http, std::move(first), stop, seconds(3));
  if (token.code() == Code::cancelled) {
    return std::move(token).status();
  }
  if (!token.ok() || !token->ok()) {
    return error(Code::invalid_argument, "{}", kNoKeys);  // this is no such machine
  }
  const std::string path = service + "/latest/meta-data/iam/security-credentials/";
  const auto read = [&](const std::string& url) -> Result<net::HttpResponse> {
    net::HttpRequest request;
    request.url = url;
    request.set("X-aws-ec2-metadata-token", token->body.text());
    TRY_ASSIGN(net::HttpResponse response, ask(http, std::move(request), stop), "{}", kWhat);
    if (response.status == 404) {
      return error(Code::invalid_argument, "this instance has no role, and {}", kNoKeys);
    }
    TRY(response.ok() ? Status() : net::http_error(response, kWhat));
    return response;
  };
  TRY_ASSIGN(const net::HttpResponse names, read(path));
  const std::string_view all = names.body.text();
  TRY_ASSIGN(const net::HttpResponse answer, read(path + net::percent_encode(trim(all.substr(0, all.find('\n'))))));
  return keys_of_json(answer, kWhat);
}

// Only to where nobody else listens, since a token may go along.
Result<std::string> container_url() {
  if (const std::string relative = sys::environment("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"); !relative.empty()) {
    return std::string(kContainerService) + (relative.front() == '/' ? "" : "/") + relative;
  }
  std::string full = sys::environment("AWS_CONTAINER_CREDENTIALS_FULL_URI");
  if (!full.empty()) {
    TRY_ASSIGN(const net::Url url, net::parse_url(full), "AWS_CONTAINER_CREDENTIALS_FULL_URI");
    const std::string host = url.host();
    const bool near = host.starts_with("127.") || host == "localhost" || host == "::1" || host == "169.254.170.2" ||
                      host == "169.254.170.23" || host == "fd00:ec2::23";
    if (url.scheme != "https" && !near) {
      return error(Code::invalid_argument, "AWS_CONTAINER_CREDENTIALS_FULL_URI leads to {} without TLS", host);
    }
  }
  return full;
}

Result<S3Keys> machine_keys(const HttpPtr& http, const std::stop_token& stop) {
  TRY_ASSIGN(const std::string container, container_url());
  if (!container.empty()) {
    return container_keys(http, container, stop);
  }
  if (equals_ignore_case(sys::environment("AWS_EC2_METADATA_DISABLED"), "true")) {
    return error(Code::invalid_argument, "{}", kNoKeys);
  }
  return instance_keys(http, stop);
}

// --- roles ---

struct Role {
  std::string arn, session, endpoint, region, token, token_file;
  Duration duration{};
  bool web_identity() const { return !token.empty() || !token_file.empty(); }
};

Role role_of(const S3Options& options) {
  Role role{options.role_arn,     options.session_name,       options.role_endpoint,
            options.role_region,  options.web_identity_token, options.web_identity_token_file,
            options.role_duration};
  if (role.arn.empty() && options.access_key.empty()) {  // as pods with a service account are told
    role.arn = sys::environment("AWS_ROLE_ARN");
    role.token_file = sys::environment("AWS_WEB_IDENTITY_TOKEN_FILE");
    role.session = sys::environment("AWS_ROLE_SESSION_NAME");
    role.region = sys::environment("AWS_REGION");
    role.arn = role.token_file.empty() ? "" : role.arn;
  }
  if (role.session.empty()) {
    role.session = "cairn";
  }
  if (role.endpoint.empty()) {
    role.endpoint = role.region.empty() ? "sts.amazonaws.com" : "sts." + role.region + ".amazonaws.com";
  }
  if (role.endpoint.find("://") == std::string::npos) {
    role.endpoint = "https://" + role.endpoint;
  }
  if (role.endpoint.find('/', role.endpoint.find("://") + 3) == std::string::npos) {
    role.endpoint += "/";
  }
  return role;
}

Result<S3Keys> keys_of_xml(const net::HttpResponse& response, std::string_view action) {
  const auto document = net::parse_xml(response.body);
  if (!response.ok()) {
    const net::XmlNode* failed = document.ok() ? document->child("Error") : nullptr;
    // The service's short word; its longer text may name more than belongs into a log.
    Status refused = net::http_error(response, fmt::format("{}{}{}", action, failed != nullptr ? ": " : "",
                                                           failed != nullptr ? failed->text_of("Code") : ""));
    return refused.is(Code::unavailable) ? refused : std::move(refused).with_code(Code::permission_denied);
  }
  const net::XmlNode* result = document.ok() ? document->child(std::string(action) + "Result") : nullptr;
  const net::XmlNode* found = result != nullptr ? result->child("Credentials") : nullptr;
  if (found == nullptr || found->text_of("AccessKeyId").empty()) {
    return error(Code::permission_denied, "{}: the answer holds no keys", action);
  }
  S3Keys keys{{found->text_of("AccessKeyId"), found->text_of("SecretAccessKey"), found->text_of("SessionToken")},
              std::nullopt};
  TRY_ASSIGN(keys.expires, parse_rfc3339(found->text_of("Expiration")), "{}", action);
  return keys;
}

// `base`: who asks; none: the web identity does.
Result<S3Keys> role_keys(const HttpPtr& http, const Role& role, const net::SigV4Signer* base,
                         const std::stop_token& stop) {
  const std::string_view action = base != nullptr ? "AssumeRole" : "AssumeRoleWithWebIdentity";
  std::string form = net::form_encode(
      {{"Action", action}, {"Version", "2011-06-15"}, {"RoleArn", role.arn}, {"RoleSessionName", role.session}});
  if (role.duration.ns > 0) {
    form += fmt::format("&DurationSeconds={}", static_cast<std::int64_t>(role.duration.seconds()));
  }
  if (base == nullptr) {
    std::string token = role.token;
    if (token.empty()) {  // read anew for each: it is replaced from outside before it expires
      TRY_ASSIGN(const Buffer text, sys::read_file(role.token_file, kAnswerMax), "reading web identity token");
      token = trim(text.text());
    }
    form += "&" + net::form_encode({{"WebIdentityToken", token}});
  }
  const ByteView parts[] = {as_bytes(form)};
  net::HttpRequest request;
  request.method = "POST";
  request.url = role.endpoint;
  request.set("Content-Type", "application/x-www-form-urlencoded");
  request.body = parts;
  if (base != nullptr) {
    TRY(base->sign(request, role.region.empty() ? "us-east-1" : role.region, hex_encode(crypto::sha256(parts)),
                   system_clock().now()));
  }
  TRY_ASSIGN(const net::HttpResponse response, ask(http, std::move(request), stop), "{}", action);
  return keys_of_xml(response, action);
}

}  // namespace

Result<std::shared_ptr<S3Credentials>> S3Credentials::create(const S3Options& options) {
  if (options.access_key.empty() != options.secret_key.empty()) {
    return error(Code::invalid_argument, "{}", kNoKeys);
  }
  net::HttpOptions quick;
  quick.connect_timeout = seconds(2);  // the machine's own services answer at once or are not there
  TRY_ASSIGN(HttpPtr near, net::HttpClient::create(quick));
  net::HttpOptions far_options;
  far_options.root_ca_pem = options.root_ca_pem;
  far_options.verify_tls = options.verify_tls;
  TRY_ASSIGN(HttpPtr far, net::HttpClient::create(far_options));
  const S3Keys fixed{{options.access_key, options.secret_key, options.session_token}, std::nullopt};
  const auto base = [fixed, near](const std::stop_token& stop) -> Result<S3Keys> {
    return fixed.credentials.access_key.empty() ? machine_keys(near, stop) : Result<S3Keys>(fixed);
  };
  const Role role = role_of(options);
  if (role.arn.empty()) {
    return std::shared_ptr<S3Credentials>(new S3Credentials(base));
  }
  const auto assume = [role, base, far](const std::stop_token& stop) -> Result<S3Keys> {
    if (role.web_identity()) {
      return role_keys(far, role, nullptr, stop);
    }
    TRY_ASSIGN(const S3Keys keys, base(stop));
    const net::SigV4Signer signer(keys.credentials, "sts");
    return role_keys(far, role, &signer, stop);
  };
  return std::shared_ptr<S3Credentials>(new S3Credentials(assume));
}

Result<std::shared_ptr<const net::SigV4Signer>> S3Credentials::signer(const std::stop_token& stop) {
  const std::lock_guard lock(mutex_);  // over the request: the others need its answer too
  const Timestamp now = system_clock().now();
  if (signer_ != nullptr && (!renew_at_ || now < *renew_at_)) {
    return signer_;
  }
  auto keys = fetch_(stop);
  if (!keys.ok()) {
    if (signer_ == nullptr || !expires_ || now >= *expires_ || stop.stop_requested()) {
      return std::move(keys).status();
    }
    log::warning("blob", "renewing credentials: {}; the present ones hold until {}", keys.status().message(),
                 rfc3339(*expires_));
    renew_at_ = now + seconds(10);
    return signer_;
  }
  signer_ = std::make_shared<const net::SigV4Signer>(keys->credentials, "s3");
  expires_ = keys->expires;
  renew_at_ = keys->expires;
  if (expires_) {
    renew_at_ = *expires_ - Duration{std::min(kRenewAhead.ns, (*expires_ - now).ns / 4)};
  }
  return signer_;
}

bool S3Credentials::expired() {
  const std::lock_guard lock(mutex_);
  if (!expires_) {
    return false;
  }
  renew_at_ = Timestamp();
  expires_ = Timestamp();
  return true;
}

}  // namespace cairn::blob
