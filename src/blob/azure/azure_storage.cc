#include "blob/azure/azure_storage.h"

#include <charconv>

#include "blob/azure/azure_client.h"
#include "blob/decorators.h"
#include "net/xml.h"

namespace cairn::blob {
namespace {

constexpr std::int64_t kOffsetMax = std::int64_t{1} << 40;
constexpr std::string_view kMtimeKey = "kopiamtime";

std::int64_t to_number(std::string_view text) {
  std::int64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return std::max<std::int64_t>(value, 0);
}

// The stored time wins over the service's.
Timestamp time_of(std::string_view stored_ns, std::string_view last_modified) {
  return stored_ns.empty() ? net::parse_http_date(last_modified).value_or(Timestamp())
                           : Timestamp{to_number(stored_ns)};
}

class AzureStorage final : public Storage {
 public:
  AzureStorage(Json config, AzureOptions options, std::shared_ptr<AzureClient> client)
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
    TRY_ASSIGN(AzureCall call, for_blob("GET", id));
    if (range.offset > 0 || range.length > 0) {
      const std::string end =
          range.length < 0 ? "" : std::to_string(range.offset + std::min(range.length, kOffsetMax) - 1);
      call.headers.push_back({"x-ms-range", fmt::format("bytes={}-{}", range.offset, end)});
    }
    TRY_ASSIGN(net::HttpResponse response, client_->send(call, stop));
    if (response.status == 416) {
      TRY_ASSIGN(const BlobMetadata found, metadata(id, std::move(stop)));
      return range.length < 0 && range.offset == found.length ? Result<Buffer>(Buffer())
                                                              : error(Code::invalid_argument, "invalid range");
    }
    TRY(check(response, "GET", id));
    if (range.length > 0 && static_cast<std::int64_t>(response.body.size()) != range.length) {
      return error(Code::invalid_argument, "invalid range");
    }
    return std::move(response.body);
  }

  Result<BlobMetadata> metadata(const BlobId& id, std::stop_token stop) override {
    TRY_ASSIGN(const AzureCall call, for_blob("HEAD", id));
    TRY_ASSIGN(const net::HttpResponse response, client_->send(call, std::move(stop)));
    TRY(check(response, "HEAD", id));
    return BlobMetadata{
        id, to_number(response.header_or_empty("Content-Length")),
        time_of(response.header_or_empty("x-ms-meta-kopiamtime"), response.header_or_empty("Last-Modified"))};
  }

  Status list(std::string_view prefix, const ListCallback& callback, std::stop_token stop) override {
    const std::string full = options_.prefix + std::string(prefix);
    std::string marker;
    do {
      TRY_ASSIGN(const net::XmlNode page, list_page(full, marker, 5000, stop));
      const net::XmlNode* blobs = page.child("Blobs");
      for (const net::XmlNode& each : blobs != nullptr ? blobs->children : std::vector<net::XmlNode>()) {
        const net::XmlNode* properties = each.child("Properties");
        if (each.name != "Blob" || properties == nullptr || !each.text_of("Name").starts_with(full)) {
          continue;
        }
        const net::XmlNode* stored = each.child("Metadata");
        TRY(callback(
            {BlobId(each.text_of("Name").substr(options_.prefix.size())),
             to_number(properties->text_of("Content-Length")),
             time_of(stored != nullptr ? stored->text_of(kMtimeKey) : "", properties->text_of("Last-Modified"))}));
      }
      marker = page.text_of("NextMarker");
    } while (!marker.empty());
    return {};
  }

  Result<BlobMetadata> put(const BlobId& id, GatherView data, const PutOptions& options,
                           std::stop_token stop) override {
    if (options.do_not_recreate) {
      return error(Code::unsupported, "do-not-recreate: unsupported put-blob option");
    }
    TRY_ASSIGN(AzureCall call, for_blob("PUT", id));
    call.headers = {{"x-ms-blob-type", "BlockBlob"}, {"Content-Type", "application/x-kopia"}};
    if (!options.retention_mode.empty()) {
      add_policy(call, options.retention_period, "Locked");
    }
    if (options.set_mtime) {
      call.headers.push_back({"x-ms-meta-kopiamtime", std::to_string(options.set_mtime->ns)});
    }
    call.body = data;
    TRY_ASSIGN(const net::HttpResponse response, client_->send(call, std::move(stop)));
    Status done = check(response, "PUT", id);
    // To the caller "not found" would mean the blob: here it is the container.
    TRY(done.is(Code::not_found) ? std::move(done).with_code(Code::failed_precondition) : std::move(done));
    return BlobMetadata{
        id, static_cast<std::int64_t>(gather_size(data)),
        options.set_mtime ? *options.set_mtime : time_of("", response.header_or_empty("Last-Modified"))};
  }

  Status remove(const BlobId& id, std::stop_token stop) override {
    Status removed = remove_once(id, stop);
    if (!removed.is(Code::conflict)) {
      return removed;
    }
    // Blocked by a policy: an empty version without a locked one takes its place and can be removed.
    TRY_ASSIGN(AzureCall call, for_blob("PUT", id));
    call.headers = {{"x-ms-blob-type", "BlockBlob"}};
    add_policy(call, minutes(1), "Unlocked");
    TRY_ASSIGN(const net::HttpResponse replaced, client_->send(call, stop));
    TRY(check(replaced, "PUT", id), "{}", removed.message());
    TRY_ASSIGN(AzureCall unlock, for_blob("DELETE", id));
    unlock.query = {{"comp", "immutabilityPolicies"}};
    TRY_ASSIGN(const net::HttpResponse unlocked, client_->send(unlock, stop));
    TRY(check(unlocked, "DELETE immutability policy", id));
    return remove_once(id, std::move(stop));
  }

  Status extend_retention(const BlobId& id, const std::string&, Duration period, std::stop_token stop) override {
    TRY_ASSIGN(AzureCall call, for_blob("PUT", id));
    call.query = {{"comp", "immutabilityPolicies"}};
    add_policy(call, period, "Locked");
    TRY_ASSIGN(const net::HttpResponse response, client_->send(call, std::move(stop)));
    return check(response, "PUT immutability policy", id);
  }

  ConnectionInfo connection_info() const override { return {"azureBlob", config_}; }
  std::string display_name() const override { return "Azure: " + options_.container; }

  // An error unless the container is there and may be listed.
  Status probe(const std::stop_token& stop) {
    auto page = list_page(options_.prefix, "", 1, stop);
    if (page.code() == Code::not_found) {
      return std::move(page).status().with_frame(fmt::format("container \"{}\" does not exist", options_.container));
    }
    return std::move(page).status();
  }

 private:
  Result<AzureCall> for_blob(std::string method, const BlobId& id) const {
    if (id.empty() || id.text.find_first_of(std::string_view("/\0", 2)) != std::string::npos) {
      return error(Code::invalid_argument, "invalid blob ID \"{}\"", id.text);
    }
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
  static Status check(const net::HttpResponse& response, std::string_view what, const BlobId& id) {
    return response.ok() ? Status() : azure_error(response, fmt::format("azure {} {}", what, id.text));
  }
  Status remove_once(const BlobId& id, std::stop_token stop) {
    TRY_ASSIGN(const AzureCall call, for_blob("DELETE", id));
    TRY_ASSIGN(const net::HttpResponse response, client_->send(call, std::move(stop)));
    return response.status == 404 && response.header_or_empty("x-ms-error-code") != "ContainerNotFound"
               ? Status()
               : check(response, "DELETE", id);
  }
  Result<net::XmlNode> list_page(const std::string& prefix, const std::string& marker, int count,
                                 const std::stop_token& stop) {
    AzureCall call;
    call.query = {
        {"restype", "container"}, {"comp", "list"}, {"include", "metadata"}, {"maxresults", std::to_string(count)}};
    for (const auto& [name, value] : {std::pair("prefix", &prefix), std::pair("marker", &marker)}) {
      if (!value->empty()) {
        call.query.emplace_back(name, *value);
      }
    }
    TRY_ASSIGN(const net::HttpResponse response, client_->send(call, stop));
    if (!response.ok()) {
      return azure_error(response, "azure LIST " + options_.container);
    }
    return net::parse_xml(response.body);
  }

  const Json config_;
  const AzureOptions options_;
  const std::shared_ptr<AzureClient> client_;
};

}  // namespace

Result<std::shared_ptr<Storage>> open_azure(const Json& config, OpenOptions open, std::stop_token stop) {
  TRY_ASSIGN(AzureOptions options, AzureOptions::from_json(config));
  TRY_ASSIGN(auto client, AzureClient::create(options));
  auto storage = std::make_shared<AzureStorage>(config, std::move(options), std::move(client));
  TRY(storage->probe(stop));
  StoragePtr retried = with_retry(std::move(storage), RetryOptions{});
  return open.read_only ? with_read_only(std::move(retried)) : retried;
}

}  // namespace cairn::blob
