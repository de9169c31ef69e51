#include "blob/s3/s3_storage.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <map>

#include "blob/decorators.h"
#include "blob/listing_check.h"
#include "blob/s3/s3_listing.h"
#include "blob/s3/s3_multipart.h"
#include "blob/s3/storage_classes.h"
#include "crypto/digest.h"
#include "net/url.h"
#include "net/xml.h"

namespace cairn::blob {
namespace {

constexpr std::size_t kReadSizeMax = std::size_t{2} << 30;

Status check_id(const BlobId& id) {
  const bool printable =
      std::all_of(id.text.begin(), id.text.end(), [](char c) { return c > ' ' && c < 0x7f && c != '/'; });
  return !id.empty() && printable ? Status() : error(Code::invalid_argument, "invalid blob id '{}'", id.text);
}

Status check_range(const ByteRange& range) {
  const bool sane = range.offset >= 0 &&
                    (range.length < 0 || range.length <= std::numeric_limits<std::int64_t>::max() - range.offset);
  return sane ? Status() : error(Code::invalid_argument, "invalid range {}+{}", range.offset, range.length);
}

std::int64_t number(std::string_view text, std::int64_t fallback) {
  std::int64_t value = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  return failed == std::errc() && end == text.data() + text.size() ? value : fallback;
}

std::string_view unquoted(std::string_view etag) {
  const bool quoted = etag.size() >= 2 && etag.front() == '"' && etag.back() == '"';
  return quoted ? etag.substr(1, etag.size() - 2) : etag;
}

// Until when, as object lock wants it: whole seconds, never shorter than asked for.
std::string retain_until(Timestamp now, Duration period) {
  return rfc3339(Timestamp::from_seconds((now + period).unix_seconds() + 1));
}

// What a blob is called for reading: its current version, or the one of a point in time.
struct Target {
  std::string key;
  std::string query{};
};

class S3Storage : public Storage {
 public:
  S3Storage(std::shared_ptr<S3Client> client, std::shared_ptr<StorageClassesAhead> classes)
      : client_(std::move(client)), classes_(std::move(classes)) {}
  using Storage::put;

  Result<Buffer> get(const BlobId& id, ByteRange range, std::stop_token stop) override;
  Result<BlobMetadata> metadata(const BlobId& id, std::stop_token stop) override;
  Status list(std::string_view prefix, const ListCallback& callback, std::stop_token stop) override;
  Result<BlobMetadata> put(const BlobId& id, GatherView data, const PutOptions& options, std::stop_token stop) override;
  Status remove(const BlobId& id, std::stop_token stop) override;
  Status extend_retention(const BlobId& id, const std::string& mode, Duration period, std::stop_token stop) override;
  ConnectionInfo connection_info() const override { return {"s3", client_->options().config}; }
  std::string display_name() const override {
    return "S3: " + client_->options().endpoint + " " + client_->options().bucket;
  }

 protected:
  virtual Result<Target> target(const BlobId& id, const std::stop_token&) { return Target{key_of(id)}; }
  std::string key_of(const BlobId& id) const { return client_->options().prefix + id.text; }
  S3Client& client() { return *client_; }
  // Calls back for a key of a listing that is a blob.
  Status report(const S3Entry& entry, const ListCallback& callback) const;

 private:
  Result<Buffer> get_unsatisfiable(const BlobId& id, ByteRange range, const std::stop_token& stop);
  Result<std::vector<net::Header>> put_headers(const BlobId& id, GatherView data, const PutOptions& options,
                                               const std::stop_token& stop) const;
  Result<BlobMetadata> read_back(const BlobId& id, GatherView data, const std::stop_token& stop);

  const std::shared_ptr<S3Client> client_;
  const std::shared_ptr<StorageClassesAhead> classes_;
};

Result<Buffer> S3Storage::get(const BlobId& id, ByteRange range, std::stop_token stop) {
  TRY(check_id(id));
  TRY(check_range(range));
  if (range.length == 0) {
    TRY(metadata(id, stop));
    return Buffer();
  }
  TRY_ASSIGN(const Target from, target(id, stop));
  S3Call call{.key = from.key, .query = from.query, .response_max = kReadSizeMax};
  const bool whole = range.offset == 0 && range.length < 0;
  if (!whole) {
    net::HttpRequest ranged;
    ranged.set_range(range.offset, range.length);
    call.headers = std::move(ranged.headers);
    if (range.length > 0) {
      // Room for an error document at least.
      call.response_max = std::max(static_cast<std::size_t>(range.length), std::size_t{1} << 16);
    }
  }
  auto response = client_->call(call, stop);
  if (response.code() == Code::invalid_argument && !whole) {
    return get_unsatisfiable(id, range, stop);
  }
  TRY(response);
  const auto got = static_cast<std::int64_t>(response->body.size());
  if (whole || got == range.length) {
    return std::move(response->body);
  }
  // "bytes 3-6/10": what the server says it sends decides between a range that ends early and a lying server.
  const std::string_view content_range = response->header_or_empty("Content-Range");
  const std::size_t slash = content_range.rfind('/');
  const std::int64_t total = slash == std::string_view::npos ? -1 : number(content_range.substr(slash + 1), -1);
  if (response->status != 206 || total < range.offset || got != total - range.offset) {
    return error(Code::unavailable, "GET {}: {} bytes instead of the range {}+{}", from.key, got, range.offset,
                 range.length);
  }
  if (range.length < 0) {
    return std::move(response->body);
  }
  return error(Code::invalid_argument, "invalid range {}+{} of {} with {} bytes", range.offset, range.length, id.text,
               total);
}

// The server refused the range. The rest behind the last byte is empty and allowed, anything else is not.
Result<Buffer> S3Storage::get_unsatisfiable(const BlobId& id, ByteRange range, const std::stop_token& stop) {
  TRY_ASSIGN(const BlobMetadata blob, metadata(id, stop));
  if (range.length < 0 && range.offset == blob.length) {
    return Buffer();
  }
  return error(Code::invalid_argument, "invalid range {}+{} of {} with {} bytes", range.offset, range.length, id.text,
               blob.length);
}

Result<BlobMetadata> S3Storage::metadata(const BlobId& id, std::stop_token stop) {
  TRY(check_id(id));
  TRY_ASSIGN(const Target of, target(id, stop));
  TRY_ASSIGN(const net::HttpResponse response,
             client_->call({.method = "HEAD", .key = of.key, .query = of.query}, stop));
  const std::int64_t length = number(response.header_or_empty("Content-Length"), -1);
  const auto modified = net::parse_http_date(response.header_or_empty("Last-Modified"));
  if (length < 0 || !modified) {
    return error(Code::unavailable, "HEAD {}: the answer lacks size or time", of.key);
  }
  return BlobMetadata{id, length, *modified};
}

Status S3Storage::report(const S3Entry& entry, const ListCallback& callback) const {
  const std::string_view id = std::string_view(entry.key).substr(client_->options().prefix.size());
  if (id.empty() || id == kStorageConfigName || id.find('/') != std::string_view::npos) {
    return {};
  }
  return callback({BlobId(id), entry.length, entry.modified});
}

Status S3Storage::list(std::string_view prefix, const ListCallback& callback, std::stop_token stop) {
  return list_objects(
      *client_, prefix, [&](const S3Entry& entry) { return report(entry, callback); }, stop);
}

Result<std::vector<net::Header>> S3Storage::put_headers(const BlobId& id, GatherView data, const PutOptions& options,
                                                        const std::stop_token& stop) const {
  std::vector<net::Header> headers = {{"Content-Type", "application/x-kopia"}};
  // Without TLS the signature covers the bytes, which the server checks: a second sum would only cost time. Object lock
  // does not go without.
  if (client_->options().use_tls || !options.retention_mode.empty()) {
    headers.push_back({"Content-MD5", base64_encode(crypto::md5(data))});
  }
  TRY_ASSIGN(std::string storage_class, classes_->class_of(id, stop));
  if (!storage_class.empty()) {
    headers.push_back({"x-amz-storage-class", std::move(storage_class)});
  }
  if (!options.retention_mode.empty()) {
    if (options.retention_mode != "GOVERNANCE" && options.retention_mode != "COMPLIANCE") {
      return error(Code::unsupported, "unsupported retention mode {}", options.retention_mode);
    }
    headers.push_back({"x-amz-object-lock-mode", options.retention_mode});
    headers.push_back({"x-amz-object-lock-retain-until-date", retain_until(client_->now(), options.retention_period)});
  }
  return headers;
}

Result<BlobMetadata> S3Storage::put(const BlobId& id, GatherView data, const PutOptions& options,
                                    std::stop_token stop) {
  TRY(check_id(id));
  if (options.set_mtime) {
    return error(Code::unsupported, "setting the time of a blob is not supported by S3");
  }
  if (options.do_not_recreate) {
    return error(Code::unsupported, "do-not-recreate is not supported by S3");
  }
  const auto length = static_cast<std::int64_t>(gather_size(data));
  TRY_ASSIGN(std::vector<net::Header> headers, put_headers(id, data, options, stop));
  if (length > client_->options().multipart_threshold) {
    TRY(put_in_parts(*client_, key_of(id), std::move(headers), data, stop));
    return metadata(id, stop);
  }
  bool answered = true;
  auto response =
      client_->call({.method = "PUT", .key = key_of(id), .headers = std::move(headers), .body = data}, stop, &answered);
  if (!response.ok()) {
    if (!answered && !response.status().is(Code::cancelled) && options.retention_mode.empty()) {
      if (auto stored = read_back(id, data, stop); stored.ok()) {
        return stored;
      }
    }
    return std::move(response).status();
  }
  return BlobMetadata{id, length, response->date().value_or(client_->now())};
}

// After a write whose outcome is unknown: the blob, if the server has exactly these bytes.
Result<BlobMetadata> S3Storage::read_back(const BlobId& id, GatherView data, const std::stop_token& stop) {
  const auto length = static_cast<std::int64_t>(gather_size(data));
  TRY_ASSIGN(const net::HttpResponse response, client_->call({.method = "HEAD", .key = key_of(id)}, stop));
  const auto modified = net::parse_http_date(response.header_or_empty("Last-Modified"));
  if (number(response.header_or_empty("Content-Length"), -1) != length || !modified ||
      unquoted(response.header_or_empty("ETag")) != hex_encode(crypto::md5(data))) {
    return error(Code::unavailable, "PUT {}: not stored", id.text);
  }
  return BlobMetadata{id, length, *modified};
}

Status S3Storage::remove(const BlobId& id, std::stop_token stop) {
  TRY(check_id(id));
  auto response = client_->call({.method = "DELETE", .key = key_of(id)}, stop);
  if (!response.ok() && response.code() != Code::not_found) {
    return std::move(response).status();
  }
  return {};
}

Status S3Storage::extend_retention(const BlobId& id, const std::string& mode, Duration period, std::stop_token stop) {
  TRY(check_id(id));
  const std::string body = fmt::format("<Retention><Mode>{}</Mode><RetainUntilDate>{}</RetainUntilDate></Retention>",
                                       net::xml_escape(mode), retain_until(client_->now(), period));
  const ByteView parts[] = {as_bytes(body)};
  const std::string md5 = base64_encode(crypto::md5(parts));
  TRY(client_->call({.method = "PUT",
                     .key = key_of(id),
                     .query = "retention=",
                     .headers = {{"Content-MD5", md5}, {"Content-Type", "application/xml"}},
                     .body = parts},
                    stop),
      "extending retention");
  return {};
}

// The bucket as it was: of each key the newest version not younger than the point in time.
class S3PointInTime final : public S3Storage {
 public:
  using S3Storage::S3Storage;

  bool read_only() const override { return true; }
  Status list(std::string_view prefix, const ListCallback& callback, std::stop_token stop) override {
    TRY_ASSIGN(const auto versions, newest_versions(prefix, stop));
    for (const auto& [key, entry] : versions) {
      if (!entry.delete_marker) {
        TRY(report(entry, callback));
      }
    }
    return {};
  }
  Result<BlobMetadata> put(const BlobId&, GatherView, const PutOptions&, std::stop_token) override { return refuse(); }
  Status remove(const BlobId&, std::stop_token) override { return refuse(); }
  Status extend_retention(const BlobId&, const std::string&, Duration, std::stop_token) override { return refuse(); }

 private:
  static Status refuse() { return error(Code::permission_denied, "storage is read-only"); }
  // Of each key that starts with `prefix` the newest version of then, delete markers too.
  Result<std::map<std::string, S3Entry>> newest_versions(std::string_view prefix, const std::stop_token& stop) {
    const Timestamp then = *client().options().point_in_time;
    std::map<std::string, S3Entry> newest;
    const auto take = [&](const S3Entry& entry) -> Status {
      if (entry.modified > then) {
        return {};
      }
      const auto [at, added] = newest.try_emplace(entry.key, entry);
      if (!added && entry.modified > at->second.modified) {
        at->second = entry;
      }
      return {};
    };
    TRY(list_versions(client(), prefix, take, stop));
    return newest;
  }
  Result<Target> target(const BlobId& id, const std::stop_token& stop) override {
    const std::string key = key_of(id);
    TRY_ASSIGN(const auto versions, newest_versions(id.text, stop));
    const auto found = versions.find(key);
    if (found == versions.end() || found->second.delete_marker) {
      return error(Code::not_found, "GET {}: not there at the point in time", key);
    }
    return Target{key, "versionId=" + net::percent_encode(found->second.version)};
  }
};

Status require_versions(S3Client& client, const std::stop_token& stop) {
  TRY_ASSIGN(const net::HttpResponse response, client.call({.query = "versioning="}, stop),
             "unable to determine if the bucket keeps versions");
  auto document = net::parse_xml(response.body);
  if (!document.ok() || document->text_of("Status") != "Enabled") {
    return error(Code::failed_precondition, "cannot create point-in-time view for non-versioned bucket '{}'",
                 client.options().bucket);
  }
  return {};
}

}  // namespace

Result<std::shared_ptr<Storage>> open_s3(const S3Options& options, OpenOptions open, std::stop_token stop) {
  TRY_ASSIGN(auto client, S3Client::create(options));
  // Through the retry of a storage without classes.
  const auto plain = with_retry(std::make_shared<S3Storage>(client, std::make_shared<StorageClassesAhead>()), {});
  const auto read = [plain, bucket = options.bucket](std::stop_token inner) -> Result<StorageClasses> {
    const auto config = plain->get(BlobId(kStorageConfigName), {}, inner);
    if (config.code() == Code::not_found) {
      return StorageClasses();
    }
    TRY(config, "unable to access bucket {}", bucket);
    return StorageClasses::parse(config->view());
  };
  auto classes = std::make_shared<StorageClassesAhead>(read);
  if (open.create || open.read_only) {
    // Whoever connects or creates wants to know now whether there is such a bucket.
    TRY(classes->class_of(BlobId(""), stop));
  }
  if (options.point_in_time) {
    TRY(require_versions(*client, stop));
    return with_retry(std::make_shared<S3PointInTime>(client, std::move(classes)), {});
  }
  const ListingCheckOptions check{.rewrite_distance = options.rewrite_distance, .never_listed = kStorageConfigName};
  return with_retry(with_listing_check(std::make_shared<S3Storage>(client, std::move(classes)), check), {});
}

}  // namespace cairn::blob
