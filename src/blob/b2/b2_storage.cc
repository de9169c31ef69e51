#include "blob/b2/b2_storage.h"

#include <limits>

#include "blob/b2/b2_client.h"
#include "blob/listing_check.h"
#include "blob/object_storage.h"
#include "blob/retry.h"
#include "crypto/digest.h"
#include "net/url.h"

namespace cairn::blob {
namespace {

constexpr std::size_t kBodyMax = std::size_t{1} << 30;
constexpr std::size_t kUploadMax = 5'000'000'000;  // of one file that is not sent in parts
constexpr const char* kMtimeKey = "kopia-mtime";
constexpr std::int64_t kUploadedMax = std::numeric_limits<std::int64_t>::max() / 1'000'000;  // ms, as nanoseconds

// The stored time wins over that of the upload.
Timestamp time_of(std::string_view stored_ns, std::int64_t uploaded_ms) {
  return Timestamp{stored_ns.empty() ? uploaded_ms * 1'000'000 : parse_count(stored_ns)};
}

// A file is hidden, not deleted: its versions stay until a rule of the bucket removes them.
class B2Storage final : public ObjectStorage {
 public:
  explicit B2Storage(std::shared_ptr<B2Client> client) : ObjectStorage(std::nullopt), client_(std::move(client)) {}

  using Storage::put;

  Result<BlobMetadata> put(const BlobId& id, GatherView data, const PutOptions& options,
                           std::stop_token stop) override {
    TRY(check_id(id));
    if (!options.retention_mode.empty() || options.do_not_recreate) {
      return error(Code::unsupported, "{}: unsupported put-blob option",
                   options.do_not_recreate ? "do-not-recreate" : "blob-retention");
    }
    const std::size_t size = gather_size(data);
    if (size > kUploadMax) {
      return error(Code::unsupported, "PUT {}: {} bytes are more than B2 takes at once", id.text, size);
    }
    const std::string sha1 = hex_encode(crypto::sha1(data));
    std::vector<net::Header> headers = {{"X-Bz-File-Name", net::percent_encode_path(name_of(id))},
                                        {"X-Bz-Content-Sha1", sha1},
                                        {"Content-Type", "application/x-kopia"}};
    if (options.set_mtime) {
      headers.push_back({std::string("X-Bz-Info-") + kMtimeKey, std::to_string(options.set_mtime->ns)});
    }
    auto stored = client_->upload(headers, data, stop);
    if (!stored.ok()) {
      return not_the_blob(std::move(stored).status()).with_frame("PUT " + id.text);
    }
    if ((*stored)["contentLength"].as_int(-1) != static_cast<std::int64_t>(size) ||
        (*stored)["contentSha1"].as_string() != sha1) {
      return error(Code::unavailable, "PUT {}: the service has something else stored", id.text);
    }
    return describe(id, *stored);
  }

  Status remove(const BlobId& id, std::stop_token stop) override {
    TRY(check_id(id));
    auto hidden = client_->call("hide_file", Json::object({{"fileName", name_of(id)}}), stop);
    const bool gone = hidden.ok() || hidden.code() == Code::not_found;
    return gone ? Status() : std::move(hidden).status().with_frame("DELETE " + id.text);
  }

  ConnectionInfo connection_info() const override { return {"b2", client_->options().config}; }
  std::string display_name() const override { return "B2: " + client_->options().bucket; }

  // An error unless the key may list.
  Status probe(const std::stop_token& stop) {
    return retry_call({}, "ListBlobs", stop, [&] { return read_page("", "", 1, stop).status(); });
  }

 private:
  std::string name_of(const BlobId& id) const { return client_->options().prefix + id.text; }

  Result<net::HttpResponse> fetch(const BlobId& id, const std::string&, ByteRange range, bool whole,
                                  std::stop_token stop) override {
    net::HttpRequest request;
    request.response_max = kBodyMax;
    if (!whole) {
      request.set_range(range.offset, range.length);
    }
    return client_->download(std::move(request), name_of(id), stop);
  }

  Result<BlobMetadata> look(const BlobId& id, std::stop_token stop) override {
    net::HttpRequest request;
    request.method = "HEAD";
    TRY_ASSIGN(const net::HttpResponse response, client_->download(std::move(request), name_of(id), stop));
    if (!response.ok()) {
      return refusal(response, "HEAD " + id.text);
    }
    const std::int64_t length = parse_count(response.header_or_empty("Content-Length"));
    const std::int64_t uploaded = parse_count(response.header_or_empty("X-Bz-Upload-Timestamp"));
    if (length < 0 || uploaded < 0 || uploaded > kUploadedMax) {
      return error(Code::unavailable, "HEAD {}: the answer lacks size or time", id.text);
    }
    return BlobMetadata{id, length, time_of(response.header_or_empty(std::string("X-Bz-Info-") + kMtimeKey), uploaded)};
  }

  Status refusal(const net::HttpResponse& response, std::string_view what) const override {
    return B2Client::to_status(response, what);
  }

  Status verify(const net::HttpResponse& response, std::string_view what) const override {
    const ByteView parts[] = {response.body.view()};
    return check_digest(crypto::sha1(parts), response.header_or_empty("X-Bz-Content-Sha1"), what);
  }

  Result<ListPage> list_page(std::string_view prefix, const std::string& marker, std::stop_token stop) override {
    constexpr int kEntries = 1000;  // of one transaction
    TRY_ASSIGN(const Json read, read_page(prefix, marker, kEntries, stop));
    const std::string& own = client_->options().prefix;
    const Json* next = read.find("nextFileName");
    if (!read["files"].is_array() || next == nullptr) {
      return damaged_page("it does not say whether it is complete");
    }
    ListPage page;
    page.next = next->as_string();
    for (const Json& each : read["files"].items()) {
      const std::string& name = each["fileName"].as_string();
      if (!name.starts_with(own)) {
        return damaged_page("an entry that was not asked for");
      }
      if (each["action"].as_string() == "upload" && name.find('/', own.size()) == std::string::npos &&
          name.size() > own.size()) {
        TRY_ASSIGN(BlobMetadata blob, describe(BlobId(name.substr(own.size())), each));
        page.entries.push_back({std::move(blob)});
      }
    }
    return page;
  }

  Result<Json> read_page(std::string_view prefix, const std::string& marker, int count, const std::stop_token& stop) {
    Json arguments =
        Json::object({{"prefix", client_->options().prefix + std::string(prefix)}, {"maxFileCount", count}});
    arguments.set_omitempty("startFileName", marker);
    return client_->call("list_file_names", std::move(arguments), stop);
  }

  // Of an entry of a listing, or the answer to an upload.
  static Result<BlobMetadata> describe(const BlobId& id, const Json& file) {
    const std::int64_t length = file["contentLength"].as_int(-1), uploaded = file["uploadTimestamp"].as_int(-1);
    if (length < 0 || uploaded < 0 || uploaded > kUploadedMax) {
      return damaged_page("an entry without size or time");
    }
    return BlobMetadata{id, length, time_of(file["fileInfo"][kMtimeKey].as_string(), uploaded)};
  }

  const std::shared_ptr<B2Client> client_;
};

}  // namespace

Result<std::shared_ptr<Storage>> open_b2(const Json& config, OpenOptions open, std::stop_token stop) {
  TRY_ASSIGN(const B2Options options, B2Options::from_json(config));
  TRY_ASSIGN(auto client,
             retry_call({}, "b2_authorize_account", stop, [&] { return B2Client::connect(options, stop); }));
  auto storage = std::make_shared<B2Storage>(std::move(client));
  TRY(storage->probe(stop));
  StoragePtr retried = with_retry(with_listing_check(std::move(storage), {}), RetryOptions{});
  return open.read_only ? with_read_only(std::move(retried)) : retried;
}

}  // namespace cairn::blob
