#include "blob/s3/s3_listing.h"

#include <charconv>

#include "blob/retry.h"
#include "net/url.h"
#include "net/xml.h"

namespace cairn::blob {
namespace {

// What differs between the two listings.
struct Kind {
  std::string_view query;
  std::string_view root;
  std::array<std::string_view, 2> entries;  // element names
  // Request parameter ← element of the answer that continues.
  std::array<std::pair<std::string_view, std::string_view>, 2> markers;
};
constexpr Kind kObjects = {
    "list-type=2", "ListBucketResult", {"Contents", ""}, {{{"continuation-token", "NextContinuationToken"}, {}}}};
constexpr Kind kVersions = {"versions",
                            "ListVersionsResult",
                            {"Version", "DeleteMarker"},
                            {{{"key-marker", "NextKeyMarker"}, {"version-id-marker", "NextVersionIdMarker"}}}};

struct Page {
  std::vector<S3Entry> entries;
  std::string next;  // query parameters of the next page, "" after the last
};

Status contradiction(std::string_view what) { return error(Code::unavailable, "listing is damaged: {}", what); }

Result<S3Entry> read_entry(const net::XmlNode& node, bool encoded, std::string_view prefix) {
  S3Entry entry;
  entry.key = encoded ? net::percent_decode(node.text_of("Key")) : node.text_of("Key");
  entry.version = node.text_of("VersionId");
  entry.delete_marker = node.name == "DeleteMarker";
  const auto modified = parse_rfc3339(node.text_of("LastModified"));
  if (!entry.key.starts_with(prefix) || !modified.ok()) {
    return contradiction("an entry that was not asked for");
  }
  entry.modified = *modified;
  const std::string& size = node.text_of("Size");
  const auto [end, failed] = std::from_chars(size.data(), size.data() + size.size(), entry.length);
  if (!entry.delete_marker && (failed != std::errc() || end != size.data() + size.size() || entry.length < 0)) {
    return contradiction("an entry without size");
  }
  return entry;
}

Result<Page> read_page(const Kind& kind, ByteView body, std::string_view prefix) {
  auto document = net::parse_xml(body);
  if (!document.ok()) {
    return contradiction(document.status().message());
  }
  if (document->name != kind.root) {
    return contradiction("the answer is something else");
  }
  Page page;
  const bool encoded = document->text_of("EncodingType") == "url";
  std::int64_t count = 0;
  for (const net::XmlNode& node : document->children) {
    count += node.name == "CommonPrefixes" ? 1 : 0;
    if (node.name == kind.entries[0] || (node.name == kind.entries[1] && !kind.entries[1].empty())) {
      TRY_ASSIGN(S3Entry entry, read_entry(node, encoded, prefix));
      page.entries.push_back(std::move(entry));
      ++count;
    }
  }
  if (const std::string& stated = document->text_of("KeyCount"); !stated.empty() && stated != std::to_string(count)) {
    return contradiction(fmt::format("{} of {} entries", count, stated));
  }
  const std::string& truncated = document->text_of("IsTruncated");
  if (truncated != "true" && truncated != "false") {
    return contradiction("it does not say whether it is complete");
  }
  if (truncated == "true") {
    for (const auto& [parameter, element] : kind.markers) {
      if (const std::string& value = document->text_of(element); !parameter.empty() && !value.empty()) {
        const std::string raw = encoded && parameter == "key-marker" ? net::percent_decode(value) : value;
        page.next += fmt::format("&{}={}", parameter, net::percent_encode(raw));
      }
    }
    if (page.next.empty()) {
      return contradiction("it is incomplete and cannot be continued");
    }
  }
  return page;
}

Status list_pages(const Kind& kind, S3Client& client, std::string_view prefix, const S3EntryCallback& callback,
                  const std::stop_token& stop) {
  const std::string full = client.options().prefix + std::string(prefix);
  const std::string query =
      fmt::format("{}&delimiter=%2F&encoding-type=url&prefix={}", kind.query, net::percent_encode(full));
  std::string at;
  do {
    auto page = retry_call({}, "ListBlobs", stop, [&]() -> Result<Page> {
      TRY_ASSIGN(const net::HttpResponse response, client.call({.query = query + at}, stop), "LIST {}", full);
      TRY_ASSIGN(Page read, read_page(kind, response.body, full), "LIST {}", full);
      if (!read.next.empty() && read.next == at) {
        return contradiction("it goes on where it began");
      }
      return read;
    });
    TRY(page);
    for (const S3Entry& entry : page->entries) {
      TRY(callback(entry));
    }
    at = page->next;
  } while (!at.empty());
  return {};
}

}  // namespace

Status list_objects(S3Client& client, std::string_view prefix, const S3EntryCallback& callback, std::stop_token stop) {
  return list_pages(kObjects, client, prefix, callback, stop);
}

Status list_versions(S3Client& client, std::string_view prefix, const S3EntryCallback& callback, std::stop_token stop) {
  return list_pages(kVersions, client, prefix, callback, stop);
}

}  // namespace cairn::blob
