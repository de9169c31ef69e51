#include "proof/patched_storage.h"

namespace cairn::proof {

void PatchedStorage::replace(const BlobId& id, Bytes bytes, Timestamp timestamp) {
  patches_[id.text] = Patch{std::move(bytes), timestamp};
}

Result<Buffer> PatchedStorage::get(const BlobId& id, blob::ByteRange range, std::stop_token stop) {
  const auto it = patches_.find(id.text);
  if (it == patches_.end()) {
    return ForwardingStorage::get(id, range, std::move(stop));
  }
  if (!it->second) {
    return error(Code::not_found, "BLOB not found");
  }
  const Bytes& bytes = it->second->bytes;
  const auto size = static_cast<std::int64_t>(bytes.size());
  const std::int64_t length = range.length < 0 ? size - range.offset : range.length;
  if (range.offset < 0 || length < 0 || range.offset > size || length > size - range.offset) {
    return error(Code::invalid_argument, "invalid range");
  }
  return Buffer::copy_of(
      ByteView(bytes).subspan(static_cast<std::size_t>(range.offset), static_cast<std::size_t>(length)));
}

Result<blob::BlobMetadata> PatchedStorage::metadata(const BlobId& id, std::stop_token stop) {
  const auto it = patches_.find(id.text);
  if (it == patches_.end()) {
    return ForwardingStorage::metadata(id, std::move(stop));
  }
  if (!it->second) {
    return error(Code::not_found, "BLOB not found");
  }
  return blob::BlobMetadata{id, static_cast<std::int64_t>(it->second->bytes.size()), it->second->timestamp};
}

Status PatchedStorage::list(std::string_view prefix, const blob::ListCallback& callback, std::stop_token stop) {
  TRY(ForwardingStorage::list(
      prefix, [&](const blob::BlobMetadata& b) { return patches_.contains(b.id.text) ? Status() : callback(b); },
      std::move(stop)));
  for (const auto& [name, patch] : patches_) {
    if (patch && name.starts_with(prefix)) {
      TRY(callback({BlobId(name), static_cast<std::int64_t>(patch->bytes.size()), patch->timestamp}));
    }
  }
  return {};
}

Result<blob::BlobMetadata> PatchedStorage::put(const BlobId&, GatherView, const blob::PutOptions&, std::stop_token) {
  return error(Code::permission_denied, "storage is read-only");
}

Status PatchedStorage::remove(const BlobId&, std::stop_token) {
  return error(Code::permission_denied, "storage is read-only");
}

}  // namespace cairn::proof
