#include "blob/s3/s3_options.h"

#include "base/bytes.h"
#include "sys/environment.h"

namespace cairn::blob {

Result<S3Options> S3Options::from_json(const Json& config) {
  S3Options options;
  options.config = config;
  options.bucket = config["bucket"].as_string();
  options.prefix = config["prefix"].as_string();
  if (const std::string& endpoint = config["endpoint"].as_string(); !endpoint.empty()) {
    options.endpoint = endpoint;
  }
  if (options.bucket.empty() || options.bucket.find('/') != std::string::npos) {
    return error(Code::invalid_argument, "bucket name '{}' is not valid", options.bucket);
  }
  if (options.endpoint.find_first_of("/?# @") != std::string::npos) {
    return error(Code::invalid_argument, "endpoint '{}' is not of the form host:port", options.endpoint);
  }
  options.use_tls = !config["doNotUseTLS"].as_bool();
  options.verify_tls = !config["doNotVerifyTLS"].as_bool();
  if (const std::string& encoded = config["rootCA"].as_string(); !encoded.empty()) {
    TRY_ASSIGN(const Bytes pem, base64_decode(encoded), "unable to decode root CA");
    options.root_ca_pem = as_text(pem);
  }
  const std::pair<const char*, std::string*> role[] = {{"roleARN", &options.role_arn},
                                                       {"sessionName", &options.session_name},
                                                       {"roleEndpoint", &options.role_endpoint},
                                                       {"roleRegion", &options.role_region},
                                                       {"webIdentityToken", &options.web_identity_token},
                                                       {"webIdentityTokenFile", &options.web_identity_token_file}};
  for (const auto& [key, text] : role) {
    *text = config[key].as_string();
  }
  options.role_duration = Duration{config["duration"].as_int()};  // a bare number is in nanoseconds
  if (const std::string& text = config["duration"].as_string(); !text.empty()) {
    TRY_ASSIGN(options.role_duration, parse_go_duration(text), "invalid duration of a role");
  }
  if (options.role_arn.empty() && !(options.web_identity_token + options.web_identity_token_file).empty()) {
    return error(Code::invalid_argument, "a web identity needs the ARN of a role");
  }
  options.access_key = config["accessKeyID"].as_string();
  options.secret_key = config["secretAccessKey"].as_string();
  options.session_token = config["sessionToken"].as_string();
  if (options.access_key.empty() && options.secret_key.empty()) {
    options.access_key = sys::environment("AWS_ACCESS_KEY_ID");
    options.secret_key = sys::environment("AWS_SECRET_ACCESS_KEY");
    options.session_token = sys::environment("AWS_SESSION_TOKEN");
  }
  options.region = config["region"].as_string();
  if (const std::string& when = config["pointInTime"].as_string(); !when.empty()) {
    TRY_ASSIGN(options.point_in_time, parse_rfc3339(when), "invalid pointInTime");
  }
  return options;
}

}  // namespace cairn::blob
