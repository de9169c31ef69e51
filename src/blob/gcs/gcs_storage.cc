#include "blob/gcs/gcs_storage.h"

#include <charconv>

#include "base/random.h"
#include "blob/decorators.h"
#include "blob/gcs/gcs_client.h"
#include "net/url.h"

namespace cairn::blob {
namespace {

constexpr std::int64_t kOffsetMax = std::int64_t{1} << 40;
constexpr std::size_t kBodyMax = std::size_t{1} << 30;
constexpr std::string_view kFields = "name,size,timeCreated,metadata";
constexpr const char* kMtimeKey = "Kopia-Mtime";

// 64-bit numbers are texts in this interface.
std::int64_t to_number(const Json& json) {
  const std::string& text = json.as_string();
  std::int64_t value = json.as_int();
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

class GcsStorage final : public Storage {
 public:
  GcsStorage(Json config, GcsOptions options, std::shared_ptr<GcsClient> client)
      : config_(std::move(config)), options_(std::move(options)), client_(std::move(client)) {}

  using Storage::put;

  Result<Buffer> get(const BlobId& id, ByteRange range, std::stop_token stop) override {
    if (range.offset < 0 || range.offset > kOffsetMax) {
      return error(Code::invalid_argument, "invalid range");
    }
    if (range.length == 0) {
      TRY(metadata(id, std::move(stop)));
      return Buffer();
    }
    TRY_ASSIGN(const std::string path, object_path(id));
    net::HttpRequest request;
    request.response_max = kBodyMax;
    if (range.offset > 0 || range.length > 0) {
      request.set_range(range.offset, std::min(range.length, kOffsetMax));
    }
    TRY_ASSIGN(net::HttpResponse response, client_->send(std::move(request), path + "?alt=media", stop));
    if (response.status == 416) {
      TRY_ASSIGN(const BlobMetadata found, metadata(id, std::move(stop)));
      return range.length < 0 && range.offset == found.length ? Result<Buffer>(Buffer())
                                                              : error(Code::invalid_argument, "invalid range");
    }
    TRY(check(response, "GET", id.text));
    if (range.length > 0 && static_cast<std::int64_t>(response.body.size()) != range.length) {
      return error(Code::invalid_argument, "invalid range");
    }
    return std::move(response.body);
  }

  Result<BlobMetadata> metadata(const BlobId& id, std::stop_token stop) override {
    TRY_ASSIGN(const std::string path, object_path(id));
    TRY_ASSIGN(const net::HttpResponse response,
               client_->send({}, fmt::format("{}?fields={}", path, kFields), std::move(stop)));
    TRY(check(response, "HEAD", id.text));
    TRY_ASSIGN(const Json object, Json::parse(response.body.text()), "gcs HEAD {}", id.text);
    return describe(id, object);
  }

  Status list(std::string_view prefix, const ListCallback& callback, std::stop_token stop) override {
    const std::string full = options_.prefix + std::string(prefix);
    std::string page_token;
    do {
      TRY_ASSIGN(const Json page, list_page(full, page_token, 1000, stop));
      for (const Json& each : page["items"].items()) {
        const std::string& name = each["name"].as_string();
        if (!name.starts_with(full)) {
          continue;
        }
        TRY_ASSIGN(const BlobMetadata found, describe(BlobId(name.substr(options_.prefix.size())), each));
        TRY(callback(found));
      }
      page_token = page["nextPageToken"].as_string();
    } while (!page_token.empty());
    return {};
  }

  Result<BlobMetadata> put(const BlobId& id, GatherView data, const PutOptions& options,
                           std::stop_token stop) override {
    TRY(object_path(id));  // the id is one
    Json object = Json::object({{"name", options_.prefix + id.text}, {"contentType", "application/x-kopia"}});
    if (options.set_mtime) {
      object.set("metadata", Json::object({{kMtimeKey, std::to_string(options.set_mtime->ns)}}));
    }
    if (!options.retention_mode.empty()) {
      object.set("retention", retention(options.retention_period));
    }
    const std::string boundary = "cairn-" + random_hex(16);
    const std::string head = fmt::format(
        "--{0}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n{1}\r\n--{0}\r\nContent-Type: "
        "application/x-kopia\r\n\r\n",
        boundary, object.dump());
    const std::string tail = fmt::format("\r\n--{}--\r\n", boundary);
    std::vector<ByteView> parts = {as_bytes(head)};
    parts.insert(parts.end(), data.begin(), data.end());
    parts.push_back(as_bytes(tail));
    net::HttpRequest request;
    request.method = "POST";
    request.set("Content-Type", "multipart/related; boundary=" + boundary);
    request.body = parts;
    const std::string path =
        fmt::format("/upload/storage/v1/b/{}/o?uploadType=multipart{}", net::percent_encode(options_.bucket),
                    options.do_not_recreate ? "&ifGenerationMatch=0" : "");
    TRY_ASSIGN(const net::HttpResponse response, client_->send(std::move(request), path, std::move(stop)));
    if (response.status == 412 && options.do_not_recreate) {
      return error(Code::already_exists, "gcs PUT {}: blob exists", id.text);
    }
    Status done = check(response, "PUT", id.text);
    // To the caller "not found" would mean the blob: here it is the bucket.
    TRY(done.is(Code::not_found) ? std::move(done).with_code(Code::failed_precondition) : std::move(done));
    TRY_ASSIGN(const Json stored, Json::parse(response.body.text()), "gcs PUT {}", id.text);
    TRY_ASSIGN(const BlobMetadata found, describe(id, stored));
    if (found.length != static_cast<std::int64_t>(gather_size(data))) {
      return error(Code::unavailable, "gcs PUT {}: the service has {} bytes of {}", id.text, found.length,
                   gather_size(data));
    }
    return found;
  }

  Status remove(const BlobId& id, std::stop_token stop) override {
    TRY_ASSIGN(const std::string path, object_path(id));
    net::HttpRequest request;
    request.method = "DELETE";
    TRY_ASSIGN(const net::HttpResponse response, client_->send(std::move(request), path, std::move(stop)));
    return response.status == 404 ? Status() : check(response, "DELETE", id.text);
  }

  Status extend_retention(const BlobId& id, const std::string&, Duration period, std::stop_token stop) override {
    TRY_ASSIGN(const std::string path, object_path(id));
    const std::string text = Json::object({{"retention", retention(period)}}).dump();
    const ByteView parts[] = {as_bytes(text)};
    net::HttpRequest request;
    request.method = "PATCH";
    request.set("Content-Type", "application/json");
    request.body = parts;
    TRY_ASSIGN(const net::HttpResponse response, client_->send(std::move(request), path, std::move(stop)));
    return check(response, "PATCH", id.text);
  }

  ConnectionInfo connection_info() const override { return {"gcs", config_}; }
  std::string display_name() const override { return "GCS: " + options_.bucket; }

  // An error unless the bucket is there and may be listed.
  Status probe(const std::stop_token& stop) {
    auto page = list_page(options_.prefix, "", 1, stop);
    if (page.code() == Code::not_found) {
      return std::move(page).status().with_frame(fmt::format("bucket \"{}\" does not exist", options_.bucket));
    }
    return std::move(page).status();
  }

 private:
  Result<std::string> object_path(const BlobId& id) const {
    if (id.empty() || id.text.find_first_of(std::string_view("/\0", 2)) != std::string::npos) {
      return error(Code::invalid_argument, "invalid blob ID \"{}\"", id.text);
    }
    return fmt::format("/storage/v1/b/{}/o/{}", net::percent_encode(options_.bucket),
                       net::percent_encode(options_.prefix + id.text));
  }
  static Json retention(Duration period) {
    return Json::object({{"mode", "Locked"}, {"retainUntilTime", rfc3339(system_clock().now() + period)}});
  }
  // The stored time wins over that of creation.
  static Result<BlobMetadata> describe(const BlobId& id, const Json& object) {
    BlobMetadata out{id, to_number(object["size"]), {}};
    if (out.length < 0) {
      return error(Code::corrupt, "gcs: {} has {} bytes", id.text, out.length);
    }
    if (const Json* stored = object["metadata"].find(kMtimeKey); stored != nullptr) {
      out.timestamp = Timestamp{to_number(*stored)};
      return out;
    }
    TRY_ASSIGN(out.timestamp, parse_rfc3339(object["timeCreated"].as_string()), "gcs: time of {}", id.text);
    return out;
  }
  static Status check(const net::HttpResponse& response, std::string_view what, std::string_view name) {
    return response.ok() ? Status() : net::http_error(response, fmt::format("gcs {} {}", what, name));
  }
  Result<Json> list_page(const std::string& prefix, const std::string& token, int count, const std::stop_token& stop) {
    std::string path = fmt::format("/storage/v1/b/{}/o?maxResults={}&prefix={}&fields=nextPageToken,items({})",
                                   net::percent_encode(options_.bucket), count, net::percent_encode(prefix), kFields);
    if (!token.empty()) {
      path += "&pageToken=" + net::percent_encode(token);
    }
    net::HttpRequest request;
    request.response_max = kBodyMax;
    TRY_ASSIGN(const net::HttpResponse response, client_->send(std::move(request), path, stop));
    TRY(check(response, "LIST", options_.bucket));
    return Json::parse(response.body.text());
  }

  const Json config_;
  const GcsOptions options_;
  const std::shared_ptr<GcsClient> client_;
};

}  // namespace

Result<std::shared_ptr<Storage>> open_gcs(const Json& config, OpenOptions open, std::stop_token stop) {
  TRY_ASSIGN(GcsOptions options, GcsOptions::from_json(config));
  TRY_ASSIGN(auto client, GcsClient::create(options));
  const bool read_only = open.read_only || options.read_only;
  auto storage = std::make_shared<GcsStorage>(config, std::move(options), std::move(client));
  TRY(storage->probe(stop));
  StoragePtr retried = with_retry(std::move(storage), RetryOptions{});
  return read_only ? with_read_only(std::move(retried)) : retried;
}

}  // namespace cairn::blob
