#include "blob/b2/b2_client.h"

#include <algorithm>
#include <cstdlib>

#include "net/url.h"

namespace cairn::blob {
namespace {

constexpr int kUploadAddressesMax = 4;  // tried by one upload; after that the retry decorator waits

struct CodeMeaning {
  std::string_view b2_code;
  Code code;
};
// What the service calls it → what it means to us. Others go by the HTTP status.
constexpr CodeMeaning kMeanings[] = {
    {"bad_auth_token", Code::permission_denied},
    {"expired_auth_token", Code::permission_denied},
    {"missing_auth_token", Code::permission_denied},
    {"unauthorized", Code::permission_denied},
    {"unsupported", Code::unsupported},
    {"access_denied", Code::permission_denied},
    {"bad_bucket_id", Code::failed_precondition},
    {"no_such_bucket", Code::failed_precondition},
    {"no_such_file", Code::not_found},
    {"already_hidden", Code::not_found},
    {"file_not_present", Code::not_found},
    {"cap_exceeded", Code::resource_exhausted},
    {"storage_cap_exceeded", Code::resource_exhausted},
    {"download_cap_exceeded", Code::resource_exhausted},
    {"transaction_cap_exceeded", Code::resource_exhausted},
    {"too_many_requests", Code::unavailable},
    {"service_unavailable", Code::unavailable},
    {"range_not_satisfiable", Code::invalid_argument},
    {"sha1_mismatch", Code::unavailable},  // damaged on the way
};

struct Refusal {
  std::string code, message;
  static Refusal of(const net::HttpResponse& response) {
    const auto json = Json::parse(response.body.text());
    return json.ok() ? Refusal{(*json)["code"].as_string(), (*json)["message"].as_string()} : Refusal{};
  }
};

bool ran_out(const net::HttpResponse& response, bool without_body = false) {
  if (response.status != 401) {
    return false;
  }
  const std::string code = Refusal::of(response).code;
  return code == "expired_auth_token" || code == "bad_auth_token" || (without_body && response.body.empty());
}

Result<Json> read_json(const net::HttpResponse& response, std::string_view what) {
  auto json = Json::parse(response.body.text());
  return json.ok() && json->is_object() ? std::move(json)
                                        : error(Code::unavailable, "{}: the answer is not JSON", what);
}

}  // namespace

Result<B2Options> B2Options::from_json(const Json& config) {
  B2Options options;
  options.config = config;
  options.bucket = config["bucket"].as_string();
  options.prefix = config["prefix"].as_string();
  options.key_id = config["keyID"].as_string();
  options.key = config["key"].as_string();
  if (options.bucket.empty()) {
    return error(Code::invalid_argument, "b2 storage needs a bucket");
  }
  if (options.key_id.empty() || options.key.empty()) {
    return error(Code::invalid_argument, "b2: no credentials: give --key-id and --key, or set B2_KEY_ID and B2_KEY");
  }
  if (const char* url = std::getenv("B2_ENVIRONMENT"); url != nullptr && std::string_view(url).starts_with("http")) {
    options.authority = url;
  }
  return options;
}

Status B2Client::to_status(const net::HttpResponse& response, std::string_view what) {
  const Refusal said = Refusal::of(response);
  Status plain = net::http_error(response, what);
  if (said.code.empty()) {
    return plain;
  }
  const auto* meaning = std::find_if(std::begin(kMeanings), std::end(kMeanings),
                                     [&](const auto& each) { return each.b2_code == said.code; });
  const Code code = meaning != std::end(kMeanings) ? meaning->code : plain.code();
  return error(code, "{}: HTTP {}: {}: {}", what, response.status, said.code, said.message.substr(0, 200))
      .with_retry_after(response.retry_after_seconds());
}

Result<std::shared_ptr<B2Client>> B2Client::connect(B2Options options, const std::stop_token& stop) {
  TRY_ASSIGN(auto http, net::HttpClient::create({}));
  std::shared_ptr<B2Client> made(new B2Client(std::move(options), std::move(http)));
  TRY(made->session(nullptr, stop));
  return made;
}

Result<B2Client::Session> B2Client::authorize(const std::stop_token& stop) {
  net::HttpRequest request;
  request.url = options_.authority + "/b2api/v3/b2_authorize_account";
  request.set("Authorization", "Basic " + base64_encode(as_bytes(options_.key_id + ":" + options_.key)));
  TRY_ASSIGN(const net::HttpResponse response, http_.send(request, stop), "b2_authorize_account");
  if (!response.ok()) {
    return to_status(response, "b2_authorize_account");
  }
  TRY_ASSIGN(const Json answer, read_json(response, "b2_authorize_account"));
  const Json& api = answer["apiInfo"]["storageApi"];
  Session session;
  session.token = answer["authorizationToken"].as_string();
  session.account = answer["accountId"].as_string();
  session.api_url = api["apiUrl"].as_string();
  session.download_url = api["downloadUrl"].as_string();
  session.bucket_id = api["bucketId"].as_string();
  session.only_bucket = api["bucketName"].as_string();
  session.restricted = !session.bucket_id.empty();
  session.only_prefix = api["namePrefix"].as_string();
  if (session.token.empty() || session.api_url.empty() || session.download_url.empty()) {
    return error(Code::unavailable, "b2_authorize_account: {} does not answer like B2", options_.authority);
  }
  if (!options_.prefix.starts_with(session.only_prefix)) {
    return error(Code::permission_denied, "the key is restricted to names that start with \"{}\": use --prefix={}",
                 session.only_prefix, session.only_prefix);
  }
  if (session.restricted && !session.only_bucket.empty() && session.only_bucket != options_.bucket) {
    return error(Code::permission_denied, "the key is restricted to bucket {}, it does not open {}",
                 session.only_bucket, options_.bucket);
  }
  if (session.only_bucket != options_.bucket) {
    TRY_ASSIGN(session.bucket_id, find_bucket(session, stop));
  }
  return session;
}

Result<std::string> B2Client::find_bucket(const Session& session, const std::stop_token& stop) {
  const std::string text = Json::object({{"accountId", session.account}, {"bucketName", options_.bucket}}).dump();
  const ByteView parts[] = {as_bytes(text)};
  net::HttpRequest request;
  request.method = "POST";
  request.url = session.api_url + "/b2api/v3/b2_list_buckets";
  request.set("Authorization", session.token);
  request.set("Content-Type", "application/json");
  request.body = parts;
  TRY_ASSIGN(const net::HttpResponse response, http_.send(request, stop), "b2_list_buckets");
  if (!response.ok()) {
    return to_status(response, "b2_list_buckets");
  }
  TRY_ASSIGN(const Json answer, read_json(response, "b2_list_buckets"));
  for (const Json& each : answer["buckets"].items()) {
    if (each["bucketName"].as_string() == options_.bucket) {
      return each["bucketId"].as_string();
    }
  }
  return error(Code::failed_precondition, "bucket {} does not exist, or the key does not open it", options_.bucket);
}

Result<B2Client::SessionPtr> B2Client::session(const SessionPtr& refused, const std::stop_token& stop) {
  if (SessionPtr now = *session_.lock(); now != nullptr && now != refused) {
    return now;
  }
  const std::lock_guard renewing(renewing_);
  if (SessionPtr now = *session_.lock(); now != nullptr && now != refused) {
    return now;
  }
  TRY_ASSIGN(Session made, authorize(stop));
  auto shared = std::make_shared<const Session>(std::move(made));
  *session_.lock() = shared;
  addresses_.lock()->clear();
  return SessionPtr(shared);
}

template <class Make>
Result<net::HttpResponse> B2Client::send(Make&& make, const std::stop_token& stop) {
  TRY_ASSIGN(SessionPtr now, session(nullptr, stop));
  for (bool again = true;; again = false) {
    net::HttpRequest request = make(*now);
    request.set("Authorization", now->token);
    TRY_ASSIGN(net::HttpResponse response, http_.send(request, stop));
    if (!again || !ran_out(response, request.method == "HEAD")) {
      return response;
    }
    TRY_ASSIGN(now, session(now, stop));
  }
}

Result<Json> B2Client::call(std::string_view name, Json arguments, const std::stop_token& stop) {
  std::string text;
  ByteView part;
  const auto make = [&](const Session& session) {
    arguments.set("bucketId", session.bucket_id);
    text = arguments.dump();
    part = as_bytes(text);
    net::HttpRequest request;
    request.method = "POST";
    request.url = fmt::format("{}/b2api/v3/b2_{}", session.api_url, name);
    request.set("Content-Type", "application/json");
    request.body = {&part, 1};
    return request;
  };
  const std::string what = fmt::format("b2_{}", name);
  TRY_ASSIGN(const net::HttpResponse response, send(make, stop), "{}", what);
  if (!response.ok()) {
    return to_status(response, what);
  }
  return read_json(response, what);
}

Result<net::HttpResponse> B2Client::download(net::HttpRequest request, const std::string& file,
                                             const std::stop_token& stop) {
  return send(
      [&](const Session& session) {
        net::HttpRequest out = request;
        out.url = fmt::format("{}/file/{}/{}", session.download_url, net::percent_encode(options_.bucket),
                              net::percent_encode_path(file));
        return out;
      },
      stop);
}

Result<B2Client::UploadAddress> B2Client::upload_address(const std::stop_token& stop) {
  {
    auto idle = addresses_.lock();
    if (!idle->empty()) {
      UploadAddress last = std::move(idle->back());
      idle->pop_back();
      return last;
    }
  }
  TRY_ASSIGN(const Json answer, call("get_upload_url", Json::object(), stop));
  return UploadAddress{answer["uploadUrl"].as_string(), answer["authorizationToken"].as_string()};
}

// The service hands out addresses of single machines, which may be full, busy or down: then there is another at once.
Result<Json> B2Client::upload(const std::vector<net::Header>& headers, GatherView data, const std::stop_token& stop) {
  for (int tried = 1;; ++tried) {
    TRY_ASSIGN(const UploadAddress address, upload_address(stop));
    net::HttpRequest request;
    request.method = "POST";
    request.url = address.url;
    request.headers = headers;
    request.set("Authorization", address.token);
    request.body = data;
    // Not paced: a machine that is busy says nothing about the next one.
    auto response = http_.http()->send(request, stop);
    if (response.ok() && response->ok()) {
      addresses_.lock()->push_back(address);
      return read_json(*response, "b2_upload_file");
    }
    Status failed = response.ok() ? to_status(*response, "b2_upload_file") : std::move(response).status();
    const bool expired = response.ok() && ran_out(*response);
    if (expired) {  // and so have those that were idle as long
      addresses_.lock()->clear();
    }
    const bool elsewhere = failed.is(Code::unavailable) || failed.is(Code::deadline) || expired;
    // A server that asks for time gets it.
    if (!elsewhere || tried == kUploadAddressesMax || failed.retry_after_seconds() > 0) {
      return failed;
    }
  }
}

}  // namespace cairn::blob
