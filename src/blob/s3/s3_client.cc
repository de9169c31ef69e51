#include "blob/s3/s3_client.h"

#include <algorithm>
#include <cmath>

#include "base/log.h"
#include "crypto/digest.h"
#include "net/url.h"
#include "net/xml.h"

namespace cairn::blob {
namespace {

constexpr std::string_view kAwsEndpoint = "s3.amazonaws.com";
constexpr Duration kSkewMax = minutes(4);  // servers refuse from five or fifteen on

struct CodeMeaning {
  std::string_view s3_code;
  Code code;
};
// What the service calls it → what it means to us. Others go by the HTTP status.
constexpr CodeMeaning kMeanings[] = {
    {"NoSuchKey", Code::not_found},
    {"NoSuchVersion", Code::not_found},
    {"NoSuchBucket", Code::failed_precondition},
    {"AccessDenied", Code::permission_denied},
    {"InvalidAccessKeyId", Code::permission_denied},
    {"SignatureDoesNotMatch", Code::permission_denied},
    {"XAdminUserNotFound", Code::permission_denied},
    {"ExpiredToken", Code::permission_denied},
    {"InvalidToken", Code::permission_denied},
    {"RequestTimeTooSkewed", Code::permission_denied},
    {"AuthorizationHeaderMalformed", Code::failed_precondition},
    {"PermanentRedirect", Code::failed_precondition},
    {"InvalidObjectState", Code::failed_precondition},  // archived
    {"InvalidRange", Code::invalid_argument},
    {"InvalidBucketName", Code::invalid_argument},
    {"BadDigest", Code::unavailable},  // damaged on the way
    {"XAmzContentSHA256Mismatch", Code::unavailable},
    {"IncompleteBody", Code::unavailable},
    {"RequestTimeout", Code::unavailable},
    {"SlowDown", Code::unavailable},
    {"TooManyRequests", Code::unavailable},
    {"InternalError", Code::unavailable},
    {"QuotaExceeded", Code::resource_exhausted},
    {"XMinioStorageFull", Code::resource_exhausted},
    {"NotImplemented", Code::unsupported},
};

// "s3.eu-central-003.example.com" → "eu-central-003"; "" when the name tells nothing.
std::string region_in_name(const std::string& endpoint) {
  const bool named = endpoint.starts_with("s3.") || endpoint.starts_with("s3-");
  const std::string part = named ? endpoint.substr(3, endpoint.find('.', 3) - 3) : "";
  return part.find('-') != std::string::npos ? part : "";
}

bool is_aws(const std::string& endpoint) {
  return endpoint.find(".amazonaws.com") != std::string::npos && endpoint.find(':') == std::string::npos;
}

bool fits_host_name(const std::string& bucket) {
  return std::all_of(bucket.begin(), bucket.end(),
                     [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; });
}

}  // namespace

struct S3Client::Failure {
  int http_status = 0;
  std::string code, message;  // of the service; empty when it did not say
  std::string region;         // where the bucket is, if that was the problem
  std::optional<Timestamp> date;
  double retry_after_seconds = 0;

  static Failure from(const net::HttpResponse& response) {
    Failure failure;
    failure.http_status = response.status;
    failure.date = response.date();
    failure.retry_after_seconds = response.retry_after_seconds();
    if (auto document = net::parse_xml(response.body); document.ok() && document->name == "Error") {
      failure.code = document->text_of("Code");
      failure.message = document->text_of("Message");
      failure.region = document->text_of("Region");
    }
    if (failure.region.empty() && (response.status == 301 || response.status == 307 || response.status == 400)) {
      failure.region = response.header_or_empty("x-amz-bucket-region");
    }
    return failure;
  }
};

S3Client::S3Client(S3Options options, std::shared_ptr<S3Credentials> credentials, std::shared_ptr<net::HttpClient> http)
    : options_(std::move(options)), http_(std::move(http)), credentials_(std::move(credentials)) {
  std::string region = options_.region.empty() ? region_in_name(options_.endpoint) : options_.region;
  *region_.lock() = region.empty() ? "us-east-1" : region;
}

Result<std::shared_ptr<S3Client>> S3Client::create(S3Options options) {
  TRY_ASSIGN(auto credentials, S3Credentials::create(options));
  net::HttpOptions http;
  http.root_ca_pem = options.root_ca_pem;
  http.verify_tls = options.verify_tls;
  TRY_ASSIGN(auto client, net::HttpClient::create(http));
  return std::shared_ptr<S3Client>(new S3Client(std::move(options), std::move(credentials), std::move(client)));
}

Timestamp S3Client::now() const { return system_clock().now() + Duration{skew_ns_.load()}; }

std::string S3Client::url_of(const S3Call& call, const std::string& region) const {
  std::string host = options_.endpoint;
  if (host == kAwsEndpoint && region != "us-east-1") {
    host = "s3." + region + ".amazonaws.com";
  }
  std::string url = options_.use_tls ? "https://" : "http://";
  if (is_aws(host) && fits_host_name(options_.bucket)) {
    url += options_.bucket + "." + host + "/";
  } else {
    url += host + "/" + net::percent_encode(options_.bucket) + (call.key.empty() ? "" : "/");
  }
  return url + net::percent_encode_path(call.key) + (call.query.empty() ? "" : "?" + call.query);
}

Result<net::HttpResponse> S3Client::send(const S3Call& call, const std::stop_token& stop) {
  const std::string region = *region_.lock();
  net::HttpRequest request;
  request.method = call.method;
  request.url = url_of(call, region);
  request.headers = call.headers;
  request.body = call.body;
  request.response_max = call.response_max;
  // A link of 64 KiB/s is slow enough; a dead one is noticed long before.
  const std::size_t moved = gather_size(call.body) + (call.method == "GET" ? call.response_max : 0);
  request.deadline = seconds(120) + seconds(static_cast<std::int64_t>(std::min(moved, std::size_t{1} << 30) >> 16));
  const std::string hash =
      options_.use_tls ? std::string(net::kUnsignedPayload) : hex_encode(crypto::sha256(call.body));
  TRY_ASSIGN(const auto signer, credentials_->signer(stop));
  TRY(signer->sign(request, region, hash, now()));
  return http_->send(request, stop);
}

// True when the request should be sent again in the corrected form.
bool S3Client::correct(const Failure& failure) {
  if (failure.http_status == 403 && failure.date) {
    const Duration off = *failure.date - now();
    if (std::abs(off.seconds()) > kSkewMax.seconds()) {
      log::warning("blob", "the clock differs from that of {} by {}: using the server's", options_.endpoint,
                   go_duration(Timestamp{failure.date->unix_seconds() * 1'000'000'000} -
                               Timestamp{now().unix_seconds() * 1'000'000'000}));
      skew_ns_ += off.ns;
      return true;
    }
  }
  if (failure.code == "ExpiredToken") {
    return credentials_->expired();
  }
  if (!failure.region.empty() && options_.region.empty()) {
    auto region = region_.lock();
    if (*region != failure.region) {
      *region = failure.region;
      return true;
    }
  }
  return false;
}

Status S3Client::to_status(const Failure& failure, const S3Call& call) const {
  const std::string what = call.method + (call.key.empty() ? "" : " " + call.key);
  if (failure.code == "NoSuchBucket") {
    return error(Code::failed_precondition, "{}: bucket {} does not exist on {}", what, options_.bucket,
                 options_.endpoint);
  }
  if (!failure.region.empty() && failure.region != *region_.lock()) {
    return error(Code::failed_precondition, "{}: bucket {} is in region {}, not {}: use --region={}", what,
                 options_.bucket, failure.region, options_.region, failure.region);
  }
  const auto* meaning = std::find_if(std::begin(kMeanings), std::end(kMeanings),
                                     [&](const auto& m) { return m.s3_code == failure.code; });
  Code code = meaning != std::end(kMeanings) ? meaning->code : net::code_of_http_status(failure.http_status);
  // Only the service's own words say that a key is missing; HEAD has none.
  if (code == Code::not_found && meaning == std::end(kMeanings) && call.method != "HEAD") {
    code = Code::failed_precondition;
  }
  const std::string said = failure.code.empty()
                               ? fmt::format(" from {}, which does not answer like an S3 server", options_.endpoint)
                               : fmt::format(": {}: {}", failure.code, failure.message);
  return error(code, "{}: HTTP {}{}", what, failure.http_status, said).with_retry_after(failure.retry_after_seconds);
}

Result<net::HttpResponse> S3Client::call(const S3Call& call, std::stop_token stop, bool* answered) {
  constexpr int kCorrectionsMax = 3;
  for (int corrections = 0;; ++corrections) {
    if (answered != nullptr) {
      *answered = true;
    }
    if (!pacer_.wait(stop)) {
      return error(Code::cancelled, "cancelled");
    }
    auto response = send(call, stop);
    if (!response.ok()) {
      if (answered != nullptr) {
        *answered = false;
      }
      return std::move(response).status().with_frame(call.method + (call.key.empty() ? "" : " " + call.key));
    }
    if (response->ok()) {
      pacer_.succeeded();
      return response;
    }
    const Failure failure = Failure::from(*response);
    if (failure.http_status == 503 || failure.http_status == 429) {
      pacer_.throttled(failure.retry_after_seconds);
    } else if (failure.http_status >= 500 && answered != nullptr) {
      *answered = false;
    }
    if (corrections == kCorrectionsMax || !correct(failure)) {
      return to_status(failure, call);
    }
  }
}

}  // namespace cairn::blob
