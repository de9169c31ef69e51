// The storage interface: a flat, atomic store of named immutable blobs. Every store passes tests/contract.
// docs/format/blobs.md (kopia-format §2)
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "base/ids.h"
#include "base/json.h"
#include "base/time.h"

namespace cairn::blob {

struct BlobMetadata {
  BlobId id;
  std::int64_t length = 0;  // bytes
  Timestamp timestamp;      // the storage's clock
};

struct ByteRange {
  std::int64_t offset = 0;
  std::int64_t length = -1;  // −1: to the end; 0: existence check, empty result
};

struct PutOptions {
  std::string retention_mode;  // "", GOVERNANCE or COMPLIANCE
  Duration retention_period{};
  bool do_not_recreate = false;        // already_exists instead of replacing, where the store can
  std::optional<Timestamp> set_mtime;  // unsupported where the store cannot
};

struct Capacity {
  std::int64_t total_bytes = 0, free_bytes = 0;
};

// {"type": …, "config": {…}} as in repository.config, tokens and status.
struct ConnectionInfo {
  std::string type;
  Json config;
  Json to_json() const;
  static Result<ConnectionInfo> from_json(const Json& json);
};

using ListCallback = std::function<Status(const BlobMetadata&)>;

// Thread-safe. Every call may be stopped (cancelled) and has the store's own deadline.
class Storage {
 public:
  virtual ~Storage() = default;
  // Exactly the bytes asked for. Errors: not_found; invalid_argument ("invalid range") when the range is not inside the
  // blob; unavailable (a retry may help), permission_denied.
  virtual Result<Buffer> get(const BlobId& id, ByteRange range, std::stop_token stop) = 0;
  virtual Result<BlobMetadata> metadata(const BlobId& id, std::stop_token stop) = 0;
  // Every blob whose id starts with `prefix`, any order. An error of the callback ends the listing and is returned.
  virtual Status list(std::string_view prefix, const ListCallback& callback, std::stop_token stop) = 0;
  // Makes the bytes visible under `id`, whole or not at all, durably; repeatable with equal bytes. Returns the
  // storage's timestamp. After cancelled the blob may or may not exist. Errors: unavailable, permission_denied,
  // resource_exhausted (storage full), unsupported (an option), already_exists.
  virtual Result<BlobMetadata> put(const BlobId& id, GatherView data, const PutOptions& options,
                                   std::stop_token stop) = 0;
  // Removing a missing blob is success.
  virtual Status remove(const BlobId& id, std::stop_token stop) = 0;
  virtual Status extend_retention(const BlobId& id, const std::string& mode, Duration period, std::stop_token stop);
  virtual Result<Capacity> capacity();  // unsupported for stores that are not volumes
  virtual ConnectionInfo connection_info() const = 0;
  virtual std::string display_name() const = 0;  // "Filesystem: /path"
  virtual bool read_only() const { return false; }

  Result<BlobMetadata> put(const BlobId& id, ByteView data, std::stop_token stop) {
    const ByteView parts[] = {data};
    return put(id, parts, PutOptions{}, stop);
  }
  Result<std::vector<BlobMetadata>> list_all(std::string_view prefix, std::stop_token stop);
};

// Opens or creates the store that `info` describes. `create` allows making the root (and fixes the default sharding).
// Errors: unsupported (type), and the store's own.
struct OpenOptions {
  bool create = false;
  bool read_only = false;  // nothing is written, not even layout files
};
Result<std::shared_ptr<Storage>> open_storage(const ConnectionInfo& info, OpenOptions options, std::stop_token stop);

}  // namespace cairn::blob
