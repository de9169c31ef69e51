#include "blob/gcs/gcs_storage.h"

#include "base/random.h"
#include "base/units.h"
#include "blob/gcs/gcs_client.h"
#include "blob/listing_check.h"
#include "blob/object_storage.h"
#include "blob/retry.h"
#include "crypto/digest.h"
#include "net/url.h"

namespace cairn::blob {
namespace {

constexpr std::size_t kBodyMax = std::size_t{1} << 30;
constexpr std::string_view kFields = "name,size,timeCreated,timeDeleted,generation,metadata";
constexpr const char* kMtimeKey = "Kopia-Mtime";

// 64-bit numbers are texts in this interface.
std::int64_t to_number(const Json& json) { return json.is_string() ? parse_count(json.as_string()) : json.as_int(-1); }

class GcsStorage final : public ObjectStorage {
 public:
  GcsStorage(Json config, GcsOptions options, std::shared_ptr<GcsClient> client)
      : ObjectStorage(options.point_in_time),
        config_(std::move(config)),
        options_(std::move(options)),
        client_(std::move(client)) {}

  using Storage::put;

  Result<BlobMetadata> put(const BlobId& id, GatherView data, const PutOptions& options,
                           std::stop_token stop) override {
    TRY(check_id(id));
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
    TRY(not_the_blob(check(response, "PUT", id.text)));
    TRY_ASSIGN(const Json stored, Json::parse(response.body.text()), "gcs PUT {}", id.text);
    TRY_ASSIGN(const BlobMetadata found, describe(id, stored));
    if (found.length != static_cast<std::int64_t>(gather_size(data))) {
      return error(Code::unavailable, "gcs PUT {}: the service has {} bytes of {}", id.text, found.length,
                   gather_size(data));
    }
    return found;
  }

  Status remove(const BlobId& id, std::stop_token stop) override {
    TRY(check_id(id));
    net::HttpRequest request;
    request.method = "DELETE";
    TRY_ASSIGN(const net::HttpResponse response, client_->send(std::move(request), object_path(id), std::move(stop)));
    return response.status == 404 ? Status() : check(response, "DELETE", id.text);
  }

  Status extend_retention(const BlobId& id, const std::string&, Duration period, std::stop_token stop) override {
    TRY(check_id(id));
    const std::string text = Json::object({{"retention", retention(period)}}).dump();
    const ByteView parts[] = {as_bytes(text)};
    net::HttpRequest request;
    request.method = "PATCH";
    request.set("Content-Type", "application/json");
    request.body = parts;
    TRY_ASSIGN(const net::HttpResponse response, client_->send(std::move(request), object_path(id), std::move(stop)));
    return check(response, "PATCH", id.text);
  }

  ConnectionInfo connection_info() const override { return {"gcs", config_}; }
  std::string display_name() const override { return "GCS: " + options_.bucket; }

  // An error unless the bucket is there and may be listed, and keeps versions if they are wanted.
  Status probe(const std::stop_token& stop) {
    auto page = retry_call({}, "ListBlobs", stop, [&] { return read_page(options_.prefix, "", 1, stop); });
    if (page.code() == Code::not_found) {
      return std::move(page).status().with_frame(fmt::format("bucket \"{}\" does not exist", options_.bucket));
    }
    TRY(page);
    if (shows_the_past()) {
      TRY_ASSIGN(const net::HttpResponse response, client_->send({}, bucket_path() + "?fields=versioning", stop));
      TRY(check(response, "GET", options_.bucket), "unable to determine if the bucket keeps versions");
      const auto bucket = Json::parse(response.body.text());
      if (!bucket.ok() || !(*bucket)["versioning"]["enabled"].as_bool()) {
        return error(Code::failed_precondition, "cannot create point-in-time view for non-versioned bucket '{}'",
                     options_.bucket);
      }
    }
    return {};
  }

 private:
  Result<net::HttpResponse> fetch(const BlobId& id, const std::string& version, ByteRange range, bool whole,
                                  std::stop_token stop) override {
    net::HttpRequest request;
    request.response_max = kBodyMax;
    if (!whole) {
      request.set_range(range.offset, range.length);
    }
    const std::string generation = version.empty() ? "" : "&generation=" + net::percent_encode(version);
    return client_->send(std::move(request), object_path(id) + "?alt=media" + generation, std::move(stop));
  }

  Result<BlobMetadata> look(const BlobId& id, std::stop_token stop) override {
    TRY_ASSIGN(const net::HttpResponse response,
               client_->send({}, fmt::format("{}?fields={}", object_path(id), kFields), std::move(stop)));
    TRY(check(response, "HEAD", id.text));
    TRY_ASSIGN(const Json object, Json::parse(response.body.text()), "gcs HEAD {}", id.text);
    return describe(id, object);
  }

  Status refusal(const net::HttpResponse& response, std::string_view what) const override {
    return net::http_error(response, fmt::format("gcs {}", what));
  }

  // "crc32c=…,md5=…", in one header or two.
  Status verify(const net::HttpResponse& response, std::string_view what) const override {
    constexpr std::string_view kMd5 = "md5=";
    for (const net::Header& each : response.headers) {
      const std::size_t at = equals_ignore_case(each.name, "x-goog-hash") ? each.value.find(kMd5) : std::string::npos;
      if (at != std::string::npos) {
        const std::size_t from = at + kMd5.size();
        const ByteView parts[] = {response.body.view()};
        return check_digest(crypto::md5(parts), each.value.substr(from, each.value.find(',', from) - from), what);
      }
    }
    return {};
  }

  Result<ListPage> list_page(std::string_view prefix, const std::string& marker, std::stop_token stop) override {
    constexpr int kEntries = 1000;
    TRY_ASSIGN(const Json read, read_page(options_.prefix + std::string(prefix), marker, kEntries, stop));
    ListPage page;
    page.next = read["nextPageToken"].as_string();
    for (const Json& each : read["items"].items()) {
      const std::string& name = each["name"].as_string();
      if (!name.starts_with(options_.prefix)) {
        return damaged_page("an entry that was not asked for");
      }
      if (name.find('/', options_.prefix.size()) != std::string::npos || name.size() == options_.prefix.size()) {
        continue;
      }
      TRY_ASSIGN(ObjectEntry entry, describe_version(BlobId(name.substr(options_.prefix.size())), each));
      page.entries.push_back(std::move(entry));
    }
    return page;
  }

  std::string bucket_path() const { return "/storage/v1/b/" + net::percent_encode(options_.bucket); }
  std::string object_path(const BlobId& id) const {
    return bucket_path() + "/o/" + net::percent_encode(options_.prefix + id.text);
  }
  static Json retention(Duration period) {
    return Json::object({{"mode", "Locked"}, {"retainUntilTime", rfc3339(system_clock().now() + period)}});
  }
  // The stored time wins over that of creation.
  static Result<BlobMetadata> describe(const BlobId& id, const Json& object) {
    BlobMetadata out{id, to_number(object["size"]), {}};
    if (out.length < 0) {
      return damaged_page("an entry without size");
    }
    if (const Json* stored = object["metadata"].find(kMtimeKey); stored != nullptr) {
      out.timestamp = Timestamp{to_number(*stored)};
      return out;
    }
    TRY_ASSIGN(out.timestamp, parse_rfc3339(object["timeCreated"].as_string()), "gcs: time of {}", id.text);
    return out;
  }
  Result<ObjectEntry> describe_version(const BlobId& id, const Json& object) const {
    ObjectEntry entry;
    TRY_ASSIGN(entry.blob, describe(id, object));
    if (shows_the_past()) {
      entry.version = object["generation"].is_string() ? object["generation"].as_string()
                                                       : std::to_string(object["generation"].as_int());
      TRY_ASSIGN(entry.since, parse_rfc3339(object["timeCreated"].as_string()), "gcs: time of {}", id.text);
      if (const std::string& gone = object["timeDeleted"].as_string(); !gone.empty()) {
        TRY_ASSIGN(entry.until, parse_rfc3339(gone), "gcs: time of {}", id.text);
      }
    }
    return entry;
  }
  Status check(const net::HttpResponse& response, std::string_view what, std::string_view name) const {
    return response.ok() ? Status() : refusal(response, fmt::format("{} {}", what, name));
  }
  Result<Json> read_page(const std::string& prefix, const std::string& token, int count, const std::stop_token& stop) {
    std::string path = fmt::format("{}/o?maxResults={}&prefix={}&fields=kind,nextPageToken,items({})", bucket_path(),
                                   count, net::percent_encode(prefix), kFields);
    path += shows_the_past() ? "&versions=true" : "";
    path += token.empty() ? "" : "&pageToken=" + net::percent_encode(token);
    net::HttpRequest request;
    request.response_max = kBodyMax;
    TRY_ASSIGN(const net::HttpResponse response, client_->send(std::move(request), path, stop));
    TRY(check(response, "LIST", options_.bucket));
    auto page = Json::parse(response.body.text());
    if (!page.ok() || (*page)["kind"].as_string() != "storage#objects") {
      return damaged_page(page.ok() ? "the answer is something else" : page.status().message());
    }
    return page;
  }

  const Json config_;
  const GcsOptions options_;
  const std::shared_ptr<GcsClient> client_;
};

}  // namespace

Result<std::shared_ptr<Storage>> open_gcs(const Json& config, OpenOptions open, std::stop_token stop) {
  TRY_ASSIGN(GcsOptions options, GcsOptions::from_json(config));
  TRY_ASSIGN(auto client, GcsClient::create(options));
  const bool read_only = open.read_only || options.read_only || options.point_in_time;
  auto storage = std::make_shared<GcsStorage>(config, std::move(options), std::move(client));
  TRY(storage->probe(stop));
  StoragePtr retried = with_retry(with_listing_check(std::move(storage), {}), RetryOptions{});
  return read_only ? with_read_only(std::move(retried)) : retried;
}

}  // namespace cairn::blob
