#include "blob/s3/s3_multipart.h"

#include <algorithm>
#include <thread>

#include "base/log.h"
#include "base/sleep.h"
#include "base/task_group.h"
#include "blob/retry.h"
#include "crypto/digest.h"
#include "net/url.h"
#include "net/xml.h"

namespace cairn::blob {
namespace {

constexpr std::size_t kPartsMax = 10'000;
constexpr unsigned kPartsAtATime = 4;

std::string_view unquoted(std::string_view tag) {
  const bool quoted = tag.size() >= 2 && tag.front() == '"' && tag.back() == '"';
  return quoted ? tag.substr(1, tag.size() - 2) : tag;
}

// The bytes [offset, offset + length) of the concatenation.
std::vector<ByteView> slice(GatherView data, std::size_t offset, std::size_t length) {
  std::vector<ByteView> out;
  for (const ByteView& each : data) {
    if (length > 0 && offset < each.size()) {
      const std::size_t n = std::min(length, each.size() - offset);
      out.push_back(each.subspan(offset, n));
      length -= n;
      offset = 0;
    } else {
      offset -= std::min(offset, each.size());
    }
  }
  return out;
}

Result<std::string> begin(S3Client& client, const std::string& key, std::vector<net::Header> headers,
                          const std::stop_token& stop) {
  // Of the whole object, which is not what this request sends.
  std::erase_if(headers, [](const net::Header& each) { return each.name == "Content-MD5"; });
  TRY_ASSIGN(const net::HttpResponse response,
             client.call({.method = "POST", .key = key, .query = "uploads=", .headers = std::move(headers)}, stop));
  const auto document = net::parse_xml(response.body);
  const std::string id = document.ok() ? document->text_of("UploadId") : "";
  return id.empty() ? Result<std::string>(error(Code::unavailable, "POST {}: no upload id in the answer", key)) : id;
}

Result<std::string> put_part(S3Client& client, const std::string& key, const std::string& query, GatherView part,
                             const std::stop_token& stop) {
  return retry_call({}, "PutPart", stop, [&]() -> Result<std::string> {
    S3Call call{.method = "PUT", .key = key, .query = query, .body = part};
    call.headers = {{"Content-MD5", base64_encode(crypto::md5(part))}};
    TRY_ASSIGN(const net::HttpResponse response, client.call(call, stop));
    const std::string_view tag = response.header_or_empty("ETag");
    return tag.empty() ? Result<std::string>(error(Code::unavailable, "PUT {}: a part without ETag", key))
                       : std::string(tag);
  });
}

Status finish(S3Client& client, const std::string& key, const std::string& query, const std::vector<std::string>& tags,
              const std::stop_token& stop) {
  std::string text = "<CompleteMultipartUpload>";
  for (std::size_t i = 0; i < tags.size(); ++i) {
    text += fmt::format("<Part><PartNumber>{}</PartNumber><ETag>{}</ETag></Part>", i + 1, net::xml_escape(tags[i]));
  }
  text += "</CompleteMultipartUpload>";
  const ByteView parts[] = {as_bytes(text)};
  return retry_call({}, "CompleteUpload", stop, [&]() -> Status {
    S3Call call{.method = "POST", .key = key, .query = query, .body = parts};
    call.headers = {{"Content-Type", "application/xml"}};
    TRY_ASSIGN(const net::HttpResponse response, client.call(call, stop));
    // The service may begin with 200 long before it knows.
    const auto document = net::parse_xml(response.body);
    return document.ok() && document->name == "CompleteMultipartUploadResult"
               ? Status()
               : error(Code::unavailable, "POST {}: not completed: {}", key,
                       document.ok() ? document->text_of("Code") : document.status().message());
  });
}

// Of an object of these parts, as the services make it.
std::string whole_tag(const std::vector<std::string>& tags) {
  Bytes digests;
  for (const std::string& tag : tags) {
    if (const auto digest = hex_decode(unquoted(tag)); digest.ok()) {
      digests.insert(digests.end(), digest->begin(), digest->end());
    }
  }
  const ByteView parts[] = {digests};
  return fmt::format("{}-{}", hex_encode(crypto::md5(parts)), tags.size());
}

// After an answer that was lost: whether the object is there.
bool is_there(S3Client& client, const std::string& key, const std::vector<std::string>& tags,
              const std::stop_token& stop) {
  const auto response = client.call({.method = "HEAD", .key = key}, stop);
  return response.ok() && unquoted(response->header_or_empty("ETag")) == whole_tag(tags);
}

// So that the parts cost nothing. Not for long: the caller may be in a hurry.
void give_up(S3Client& client, const std::string& key, const std::string& query) {
  std::stop_source limit;
  const std::jthread timer([&](const std::stop_token& done) {
    if (sleep_for(milliseconds(1500), done)) {
      limit.request_stop();
    }
  });
  const auto given_up = client.call({.method = "DELETE", .key = key, .query = query}, limit.get_token());
  if (!given_up.ok()) {
    log::warning("blob", "{}: parts of a failed upload may stay behind: {}", key, given_up.status().message());
  }
}

}  // namespace

Status put_in_parts(S3Client& client, const std::string& key, std::vector<net::Header> headers, GatherView data,
                    const std::stop_token& stop) {
  const std::size_t size = gather_size(data);
  const std::size_t part_size = std::max(static_cast<std::size_t>(client.options().part_size), size / kPartsMax + 1);
  TRY_ASSIGN(const std::string id, begin(client, key, std::move(headers), stop));
  const std::string query = "uploadId=" + net::percent_encode(id);
  std::vector<std::string> tags((size + part_size - 1) / part_size);
  const auto put_one = [&](std::size_t i, const std::stop_token& s) -> Status {
    const auto part = slice(data, i * part_size, part_size);
    TRY_ASSIGN(tags[i], put_part(client, key, fmt::format("partNumber={}&{}", i + 1, query), part, s));
    return {};
  };
  Status done = parallel_for(tags.size(), kPartsAtATime, stop, put_one);
  done = done.ok() ? finish(client, key, query, tags, stop) : std::move(done);
  if (!done.ok() && !done.is(Code::cancelled) && is_there(client, key, tags, stop)) {
    return {};
  }
  if (!done.ok()) {
    give_up(client, key, query);
  }
  return done;
}

}  // namespace cairn::blob
