#include "blob/azure/azure_storage.h"

#include "blob/azure/azure_client.h"
#include "blob/listing_check.h"
#include "blob/object_storage.h"
#include "blob/retry.h"
#include "crypto/digest.h"
#include "net/xml.h"

namespace cairn::blob {
namespace {

constexpr std::string_view kMtimeKey = "kopiamtime";
constexpr std::string_view kNoContainer = "ContainerNotFound";

// The stored time wins over the service's.
Timestamp time_of(std::string_view stored_ns, std::string_view last_modified) {
  return stored_ns.empty() ? net::parse_http_date(last_modified).value_or(Timestamp())
                           : Timestamp{parse_count(stored_ns)};
}

class AzureStorage final : public ObjectStorage {
 public:
  AzureStorage(Json config, AzureOptions options, std::shared_ptr<AzureClient> client)
      : ObjectStorage(options.point_in_time),
        config_(std::move(config)),
        options_(std::move(options)),
        client_(std::move(client)) {}

  using Storage::put;

  Result<BlobMetadata> put(const BlobId& id, GatherView data, const PutOptions& options,
                           std::stop_token stop) override {
    if (options.do_not_recreate) {
      return error(Code::unsupported, "do-not-recreate: unsupported put-blob option");
    }
    TRY(check_id(id));
    AzureCall call = for_blob("PUT", id);
    call.headers = {{"x-ms-blob-type", "BlockBlob"}, {"Content-Type", "application/x-kopia"}};
    if (!options.retention_mode.empty()) {
      add_policy(call, options.retention_period, "Locked");
    }
    if (options.set_mtime) {
      call.headers.push_back({"x-ms-meta-kopiamtime", std::to_string(options.set_mtime->ns)});
    }
    call.body = data;
    TRY_ASSIGN(const net::HttpResponse response, client_->send(call, std::move(stop)));
    TRY(not_the_blob(check(response, "PUT", id)));
    return BlobMetadata{
        id, static_cast<std::int64_t>(gather_size(data)),
        options.set_mtime ? *options.set_mtime : time_of("", response.header_or_empty("Last-Modified"))};
  }

  Status remove(const BlobId& id, std::stop_token stop) override {
    TRY(check_id(id));
    Status removed = remove_once(id, stop);
    if (!removed.is(Code::conflict)) {
      return removed;
    }
    // Blocked by a policy: an empty version without a locked one takes its place and can be removed.
    AzureCall call = for_blob("PUT", id);
    call.headers = {{"x-ms-blob-type", "BlockBlob"}};
    add_policy(call, minutes(1), "Unlocked");
    TRY_ASSIGN(const net::HttpResponse replaced, client_->send(call, stop));
    TRY(check(replaced, "PUT", id), "{}", removed.message());
    AzureCall unlock = for_blob("DELETE", id);
    unlock.query = {{"comp", "immutabilityPolicies"}};
    TRY_ASSIGN(const net::HttpResponse unlocked, client_->send(unlock, stop));
    TRY(check(unlocked, "DELETE immutability policy", id));
    return remove_once(id, std::move(stop));
  }

  Status extend_retention(const BlobId& id, const std::string&, Duration period, std::stop_token stop) override {
    TRY(check_id(id));
    AzureCall call = for_blob("PUT", id);
    call.query = {{"comp", "immutabilityPolicies"}};
    add_policy(call, period, "Locked");
    TRY_ASSIGN(const net::HttpResponse response, client_->send(call, std::move(stop)));
    return check(response, "PUT immutability policy", id);
  }

  ConnectionInfo connection_info() const override { return {"azureBlob", config_}; }
  std::string display_name() const override { return "Azure: " + options_.container; }

  // An error unless the container is there and may be listed.
  Status probe(const std::stop_token& stop) {
    return retry_call({}, "ListBlobs", stop, [&] { return read_page(options_.prefix, "", 1, stop).status(); });
  }

 private:
  Result<net::HttpResponse> fetch(const BlobId& id, const std::string& version, ByteRange range, bool whole,
                                  std::stop_token stop) override {
    AzureCall call = for_blob("GET", id);
    if (!version.empty()) {
      call.query = {{"versionid", version}};
    }
    if (!whole) {
      const std::string end = range.length < 0 ? "" : std::to_string(range.offset + range.length - 1);
      call.headers.push_back({"x-ms-range", fmt::format("bytes={}-{}", range.offset, end)});
    }
    return client_->send(call, std::move(stop));
  }

  Result<BlobMetadata> look(const BlobId& id, std::stop_token stop) override {
    TRY_ASSIGN(const net::HttpResponse response, client_->send(for_blob("HEAD", id), std::move(stop)));
    TRY(check(response, "HEAD", id));
    const std::int64_t length = parse_count(response.header_or_empty("Content-Length"));
    if (length < 0) {
      return error(Code::unavailable, "azure HEAD {}: the answer lacks the size", id.text);
    }
    return BlobMetadata{
        id, length,
        time_of(response.header_or_empty("x-ms-meta-kopiamtime"), response.header_or_empty("Last-Modified"))};
  }

  Status refusal(const net::HttpResponse& response, std::string_view what) const override {
    Status refused = azure_error(response, fmt::format("azure {}", what));
    return response.header_or_empty("x-ms-error-code") == kNoContainer
               ? std::move(refused)
                     .with_code(Code::failed_precondition)  // to the caller "not found" would mean the blob
                     .with_frame(fmt::format("container \"{}\" does not exist", options_.container))
               : refused;
  }

  Status verify(const net::HttpResponse& response, std::string_view what) const override {
    const ByteView parts[] = {response.body.view()};
    return check_digest(crypto::md5(parts), response.header_or_empty("Content-MD5"), what);
  }

  Result<ListPage> list_page(std::string_view prefix, const std::string& marker, std::stop_token stop) override {
    constexpr int kEntries = 5000;
    TRY_ASSIGN(const net::XmlNode read, read_page(options_.prefix + std::string(prefix), marker, kEntries, stop));
    const net::XmlNode* blobs = read.child("Blobs");
    const net::XmlNode* next = read.child("NextMarker");
    if (next == nullptr) {
      return damaged_page("it does not say whether it is complete");
    }
    ListPage page;
    page.next = next->text;
    for (const net::XmlNode& each : blobs != nullptr ? blobs->children : std::vector<net::XmlNode>()) {
      const std::string& name = each.text_of("Name");
      if (each.name != "Blob" || !name.starts_with(options_.prefix)) {
        return damaged_page("an entry that was not asked for");
      }
      if (name.find('/', options_.prefix.size()) == std::string::npos && name.size() > options_.prefix.size()) {
        TRY_ASSIGN(ObjectEntry entry, describe(each, name.substr(options_.prefix.size())));
        page.entries.push_back(std::move(entry));
      }
    }
    return page;
  }

  // A version is current until the next one is made. When a blob was deleted is not told: its last version stays.
  Result<ObjectEntry> describe(const net::XmlNode& blob, std::string id) const {
    const net::XmlNode* properties = blob.child("Properties");
    const net::XmlNode* stored = blob.child("Metadata");
    const std::int64_t length = properties != nullptr ? parse_count(properties->text_of("Content-Length")) : -1;
    if (length < 0) {
      return damaged_page("an entry without size");
    }
    ObjectEntry entry{
        {BlobId(std::move(id)), length,
         time_of(stored != nullptr ? stored->text_of(kMtimeKey) : "", properties->text_of("Last-Modified"))}};
    if (shows_the_past()) {
      entry.version = blob.text_of("VersionId");
      const auto since = parse_rfc3339(entry.version);
      if (!since.ok()) {
        return error(Code::failed_precondition, "cannot create point-in-time view for non-versioned container '{}'",
                     options_.container);
      }
      entry.since = *since;
    }
    return entry;
  }

  AzureCall for_blob(std::string method, const BlobId& id) const {
    AzureCall call;
    call.method = std::move(method);
    call.blob = options_.prefix + id.text;
    return call;
  }
  static void add_policy(AzureCall& call, Duration period, const char* mode) {
    call.headers.push_back(
        {"x-ms-immutability-policy-until-date", net::format_http_date(system_clock().now() + period)});
    call.headers.push_back({"x-ms-immutability-policy-mode", mode});
  }
  Status check(const net::HttpResponse& response, std::string_view what, const BlobId& id) const {
    return response.ok() ? Status() : refusal(response, fmt::format("{} {}", what, id.text));
  }
  Status remove_once(const BlobId& id, std::stop_token stop) {
    TRY_ASSIGN(const net::HttpResponse response, client_->send(for_blob("DELETE", id), std::move(stop)));
    return response.status == 404 && response.header_or_empty("x-ms-error-code") != kNoContainer
               ? Status()
               : check(response, "DELETE", id);
  }
  Result<net::XmlNode> read_page(const std::string& prefix, const std::string& marker, int count,
                                 const std::stop_token& stop) {
    AzureCall call;
    call.query = {{"restype", "container"},
                  {"comp", "list"},
                  {"include", shows_the_past() ? "metadata,versions" : "metadata"},
                  {"maxresults", std::to_string(count)}};
    for (const auto& [name, value] : {std::pair("prefix", &prefix), std::pair("marker", &marker)}) {
      if (!value->empty()) {
        call.query.emplace_back(name, *value);
      }
    }
    TRY_ASSIGN(const net::HttpResponse response, client_->send(call, stop));
    if (!response.ok()) {
      return refusal(response, "LIST " + options_.container);
    }
    auto document = net::parse_xml(response.body);
    if (!document.ok() || document->name != "EnumerationResults") {
      return damaged_page(document.ok() ? "the answer is something else" : document.status().message());
    }
    return document;
  }

  const Json config_;
  const AzureOptions options_;
  const std::shared_ptr<AzureClient> client_;
};

}  // namespace

Result<std::shared_ptr<Storage>> open_azure(const Json& config, OpenOptions open, std::stop_token stop) {
  TRY_ASSIGN(AzureOptions options, AzureOptions::from_json(config));
  TRY_ASSIGN(auto client, AzureClient::create(options));
  const bool read_only = open.read_only || options.point_in_time;
  auto storage = std::make_shared<AzureStorage>(config, std::move(options), std::move(client));
  TRY(storage->probe(stop));
  StoragePtr retried = with_retry(with_listing_check(std::move(storage), {}), RetryOptions{});
  return read_only ? with_read_only(std::move(retried)) : retried;
}

}  // namespace cairn::blob
