// A storage seen as if some blobs were gone and other bytes stood in some. Read-only.
#pragma once

#include <map>
#include <memory>
#include <optional>

#include "blob/forwarding.h"

namespace cairn::proof {

// Patches are made before the storage is used; then thread-safe.
class PatchedStorage final : public blob::ForwardingStorage {
 public:
  using ForwardingStorage::ForwardingStorage;
  using Storage::put;

  void hide(const BlobId& id) { patches_[id.text] = std::nullopt; }
  void replace(const BlobId& id, Bytes bytes, Timestamp timestamp);
  bool empty() const { return patches_.empty(); }

  Result<Buffer> get(const BlobId& id, blob::ByteRange range, std::stop_token stop) override;
  Result<blob::BlobMetadata> metadata(const BlobId& id, std::stop_token stop) override;
  Status list(std::string_view prefix, const blob::ListCallback& callback, std::stop_token stop) override;
  Result<blob::BlobMetadata> put(const BlobId& id, GatherView data, const blob::PutOptions& options,
                                 std::stop_token stop) override;
  Status remove(const BlobId& id, std::stop_token stop) override;
  bool read_only() const override { return true; }

 private:
  struct Patch {
    Bytes bytes;
    Timestamp timestamp;
  };
  std::map<std::string, std::optional<Patch>> patches_;  // nullopt: hidden
};

}  // namespace cairn::proof
