#include "blob/object_storage.h"

#include <algorithm>
#include <charconv>
#include <map>

#include "blob/retry.h"

namespace cairn::blob {
namespace {

constexpr std::int64_t kOffsetMax = std::int64_t{1} << 50;  // behind every blob

Status invalid_range(const BlobId& id, ByteRange range) {
  return error(Code::invalid_argument, "invalid range {}+{} of {}", range.offset, range.length, id.text);
}

// "bytes 3-6/10" → 10, −1 when the answer does not say.
std::int64_t total_size(const net::HttpResponse& response) {
  const std::string_view text = response.header_or_empty("Content-Range");
  const std::size_t slash = text.rfind('/');
  return slash == std::string_view::npos ? -1 : parse_count(text.substr(slash + 1));
}

}  // namespace

Status ObjectStorage::check_id(const BlobId& id) {
  const bool bad = id.empty() || id.text.find_first_of(std::string_view("/\0", 2)) != std::string::npos;
  return bad ? error(Code::invalid_argument, "invalid blob ID \"{}\"", id.text) : Status();
}

Status ObjectStorage::not_the_blob(Status status) {
  return status.is(Code::not_found) ? std::move(status).with_code(Code::failed_precondition) : status;
}

Status ObjectStorage::damaged_page(std::string_view what) {
  return error(Code::unavailable, "listing is damaged: {}", what);
}

Result<Buffer> ObjectStorage::get(const BlobId& id, ByteRange range, std::stop_token stop) {
  TRY(check_id(id));
  if (range.offset < 0 || range.offset > kOffsetMax) {
    return invalid_range(id, range);
  }
  std::string version;
  if (range.length == 0) {
    TRY(metadata(id, std::move(stop)));
    return Buffer();
  }
  if (then_) {
    TRY_ASSIGN(ObjectEntry entry, find_past(id, stop));
    version = std::move(entry.version);
  }
  const bool whole = range.offset == 0 && range.length < 0;
  const ByteRange asked{range.offset, std::min(range.length, kOffsetMax)};
  TRY_ASSIGN(net::HttpResponse response, fetch(id, version, asked, whole, stop));
  const std::string what = "GET " + id.text;
  if (response.status == 416) {  // the rest behind the last byte is empty and allowed
    TRY_ASSIGN(const BlobMetadata found, metadata(id, std::move(stop)));
    return range.length < 0 && range.offset == found.length ? Result<Buffer>(Buffer()) : invalid_range(id, range);
  }
  if (!response.ok()) {
    return refusal(response, what);
  }
  if (whole) {
    TRY(verify(response, what));
    return std::move(response.body);
  }
  const auto got = static_cast<std::int64_t>(response.body.size());
  if (response.status == 206 && got == range.length) {
    return std::move(response.body);
  }
  // What the server says it sends decides between a range that ends early and a lying server.
  const std::int64_t total = total_size(response);
  if (response.status != 206 || total < range.offset || got != total - range.offset) {
    return error(Code::unavailable, "{}: {} bytes instead of the range {}+{}", what, got, range.offset, range.length);
  }
  return range.length < 0 ? Result<Buffer>(std::move(response.body)) : invalid_range(id, range);
}

Result<BlobMetadata> ObjectStorage::metadata(const BlobId& id, std::stop_token stop) {
  TRY(check_id(id));
  if (then_) {
    TRY_ASSIGN(const ObjectEntry entry, find_past(id, stop));
    return entry.blob;
  }
  return look(id, std::move(stop));
}

Status ObjectStorage::list(std::string_view prefix, const ListCallback& callback, std::stop_token stop) {
  const auto report = [&](const ObjectEntry& entry) { return callback(entry.blob); };
  return then_ ? list_past(prefix, report, stop) : list_entries(prefix, report, stop);
}

Status ObjectStorage::list_entries(std::string_view prefix, const std::function<Status(const ObjectEntry&)>& callback,
                                   const std::stop_token& stop) {
  std::string marker;
  do {
    auto page = retry_call({}, "ListBlobs", stop, [&]() -> Result<ListPage> {
      TRY_ASSIGN(ListPage read, list_page(prefix, marker, stop));
      const bool strange = std::any_of(read.entries.begin(), read.entries.end(),
                                       [&](const auto& entry) { return !entry.blob.id.starts_with(prefix); });
      if (strange || (!read.next.empty() && read.next == marker)) {
        return damaged_page(strange ? "an entry that was not asked for" : "it goes on where it began");
      }
      return read;
    });
    TRY(page);
    for (const ObjectEntry& entry : page->entries) {
      TRY(callback(entry));
    }
    marker = page->next;
  } while (!marker.empty());
  return {};
}

// Of each blob the newest version not younger than the point in time, unless that one was gone by then.
Status ObjectStorage::list_past(std::string_view prefix, const std::function<Status(const ObjectEntry&)>& callback,
                                const std::stop_token& stop) {
  std::map<std::string, ObjectEntry> newest;
  const auto take = [&](const ObjectEntry& entry) -> Status {
    if (entry.since > *then_) {
      return {};
    }
    const auto [at, added] = newest.try_emplace(entry.blob.id.text, entry);
    if (!added && entry.since > at->second.since) {
      at->second = entry;
    }
    return {};
  };
  TRY(list_entries(prefix, take, stop));
  for (const auto& [id, entry] : newest) {
    if (!entry.until || *entry.until > *then_) {
      TRY(callback(entry));
    }
  }
  return {};
}

Result<ObjectEntry> ObjectStorage::find_past(const BlobId& id, const std::stop_token& stop) {
  std::optional<ObjectEntry> found;
  const auto take = [&](const ObjectEntry& entry) -> Status {
    if (entry.blob.id == id) {
      found = entry;
    }
    return {};
  };
  TRY(list_past(id.text, take, stop));
  if (!found) {
    return error(Code::not_found, "{}: not there at the point in time", id.text);
  }
  return std::move(*found);
}

Status check_digest(ByteView digest, std::string_view stated, std::string_view what) {
  const bool known = stated.size() == 2 * digest.size() || stated.size() == (digest.size() + 2) / 3 * 4;
  return !known || stated == hex_encode(digest) || stated == base64_encode(digest)
             ? Status()
             : error(Code::unavailable, "{}: the bytes received are not those of the service", what);
}

std::int64_t parse_count(std::string_view text) {
  std::int64_t value = -1;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  return failed == std::errc() && end == text.data() + text.size() ? value : -1;
}

}  // namespace cairn::blob
