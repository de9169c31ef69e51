// Copies of the format blob inside packs (docs/format/packs.md).
#include <algorithm>

#include "crypto/kdf.h"
#include "format/repository_format.h"

namespace cairn::format {
namespace {

constexpr std::size_t kLengthSize = 2;
constexpr std::size_t kMacSize = 32;
constexpr std::size_t kBodyMax = 65000;
constexpr std::int64_t kWindowSize = 65536;
constexpr std::int64_t kBlobSizeMin = 5;
constexpr std::string_view kMacKey = "kopia-repository";

Result<Bytes> check_body(ByteView body) {
  if (body.size() >= kMacSize) {
    const ByteView blob = body.first(body.size() - kMacSize);
    if (crypto::constant_time_equal(crypto::hmac_sha256(as_bytes(kMacKey), blob), body.last(kMacSize))) {
      return Bytes(blob.begin(), blob.end());
    }
  }
  return error(Code::not_found, "no replica of the format blob");
}

}  // namespace

Buffer frame_replica(ByteView format_blob) {
  const std::size_t length = format_blob.size() + kMacSize;
  CHECK(length <= kBodyMax, "format blob of {} bytes is too long for packs", format_blob.size());
  Buffer out(length + 2 * kLengthSize);
  store_le16(out.data(), static_cast<std::uint32_t>(length));
  std::copy(format_blob.begin(), format_blob.end(), out.data() + kLengthSize);
  const auto mac = crypto::hmac_sha256(as_bytes(kMacKey), format_blob);
  std::copy(mac.begin(), mac.end(), out.data() + kLengthSize + format_blob.size());
  store_le16(out.data() + kLengthSize + length, static_cast<std::uint32_t>(length));
  return out;
}

Result<Bytes> recover_replica(ByteView head, ByteView tail) {
  if (head.size() > kLengthSize) {
    const std::size_t length = load_le16(head.data());
    if (length <= head.size() - kLengthSize) {
      if (auto found = check_body(head.subspan(kLengthSize, length)); found.ok()) {
        return found;
      }
    }
  }
  if (tail.size() > kLengthSize) {
    const std::size_t length = load_le16(tail.data() + tail.size() - kLengthSize);
    if (length <= tail.size() - kLengthSize) {
      return check_body(tail.subspan(tail.size() - kLengthSize - length, length));
    }
  }
  return error(Code::not_found, "no replica of the format blob");
}

Result<FoundReplica> find_replica(blob::Storage& storage, const std::vector<std::string>& prefixes,
                                  const std::function<void(const BlobId&)>& progress, std::stop_token stop) {
  std::vector<blob::BlobMetadata> blobs;
  for (const std::string& prefix : prefixes) {
    TRY_ASSIGN(auto more, storage.list_all(prefix, stop));
    std::ranges::move(more, std::back_inserter(blobs));
  }
  std::ranges::sort(blobs, [](const auto& a, const auto& b) {
    return a.timestamp != b.timestamp ? a.timestamp > b.timestamp : a.id < b.id;
  });
  for (const blob::BlobMetadata& blob : blobs) {
    if (stop.stop_requested()) {
      return error(Code::cancelled, "cancelled");
    }
    if (progress) {
      progress(blob.id);
    }
    if (blob.length < kBlobSizeMin) {
      continue;
    }
    const std::int64_t window = std::min(kWindowSize, blob.length);
    const auto head = storage.get(blob.id, {0, window}, stop);
    const auto tail = storage.get(blob.id, {blob.length - window, window}, stop);
    // One unreadable pack must not keep the others from being looked at.
    auto found = recover_replica(head.ok() ? head->view() : ByteView{}, tail.ok() ? tail->view() : ByteView{});
    if (found.ok()) {
      return FoundReplica{std::move(*found), blob.id};
    }
  }
  return error(Code::not_found, "could not find a replica of a format blob");
}

}  // namespace cairn::format
