#include "base/bytes.h"
#include "cli/providers/provider_table.h"
#include "sys/file.h"

namespace cairn::cli {
namespace {

Result<Json> root_ca(const ParsedCommand& command, bool) {
  const std::string& base64 = command.text("root-ca-pem-base64");
  const std::string& path = command.text("root-ca-pem-path");
  if (!path.empty() && command.on_command_line("root-ca-pem-base64")) {
    return error(Code::invalid_argument, "--root-ca-pem-base64 and --root-ca-pem-path are mutually exclusive");
  }
  if (!path.empty()) {
    TRY_ASSIGN(const Buffer pem, sys::read_file(path, std::size_t{1} << 20), "error opening root-ca-pem-path {}", path);
    return Json(base64_encode(pem));
  }
  if (!base64.empty()) {
    TRY(base64_decode(base64), "unable to decode root CA");
  }
  return Json(base64);
}

// Scripts written for other tools pass URLs; the scheme decides nothing, --disable-tls does.
Result<Json> endpoint(const ParsedCommand& command, bool) {
  std::string_view text = command.text("endpoint");
  if (const std::size_t scheme = text.find("://"); scheme != std::string_view::npos) {
    return error(Code::invalid_argument, "endpoint {} must be a host and port without scheme: --endpoint={}", text,
                 text.substr(scheme + 3));
  }
  return Json(text);
}

Result<Json> no_duration(const ParsedCommand&, bool) { return Json("0s"); }

}  // namespace

Provider s3_provider() {
  using enum ValueType;
  return {
      .word = "s3",
      .type = "s3",
      .help = "an S3 bucket",
      .flags =
          {
              {.name = "bucket", .type = text, .help = "Name of the bucket", .required = true},
              {.name = "endpoint",
               .type = text,
               .default_value = "s3.amazonaws.com",
               .help = "Host and port of the server"},
              {.name = "region", .type = text, .help = "Region of the bucket"},
              {.name = "access-key",
               .type = text,
               .env = "AWS_ACCESS_KEY_ID",
               .help = "Access key id",
               .required = true},
              {.name = "secret-access-key",
               .type = text,
               .env = "AWS_SECRET_ACCESS_KEY",
               .help = "Secret access key",
               .required = true},
              {.name = "session-token", .type = text, .env = "AWS_SESSION_TOKEN", .help = "Session token"},
              {.name = "prefix",
               .type = text,
               .help = "Prefix of all object names; for a directory it ends with a slash"},
              {.name = "disable-tls", .help = "Use plain HTTP"},
              {.name = "disable-tls-verification", .help = "Do not verify the server's certificate"},
              kPointInTime,
              {.name = "root-ca-pem-base64",
               .type = text,
               .env = "ROOT_CA_PEM_BASE64",
               .help = "Certificate authority of the server, PEM in base64"},
              {.name = "root-ca-pem-path",
               .type = text,
               .help = "File with the certificate authority of the server, PEM"},
          },
      .keys = {{"bucket", "bucket", kAlways},
               {"prefix", "prefix"},
               {"endpoint", "endpoint", kAlways, endpoint},
               {"doNotUseTLS", "disable-tls"},
               {"doNotVerifyTLS", "disable-tls-verification"},
               {"rootCA", "", kOmitEmpty, root_ca},
               {"accessKeyID", "access-key", kAlways},
               {"secretAccessKey", "secret-access-key", kAlways},
               {"sessionToken", "session-token", kAlways},
               {"roleARN", "", kAlways},
               {"sessionName", "", kAlways},
               {"duration", "", kAlways, no_duration},
               {"roleEndpoint", "", kAlways},
               {"roleRegion", "", kAlways},
               {"region", "region"},
               {"pointInTime", "point-in-time", kOmitEmpty, point_in_time}},
      .supported = true,
  };
}

}  // namespace cairn::cli
