// `kopia.repository` and `kopia.blobcfg`: parameters and keys of a repository. docs/format/repository.md (kopia-format
// §3)
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/time.h"
#include "blob/storage.h"

namespace cairn::format {

inline constexpr const char* kFormatBlobId = "kopia.repository";
inline constexpr const char* kBlobConfigBlobId = "kopia.blobcfg";
inline constexpr std::string_view kDefaultSplitter = "DYNAMIC-4M-BUZHASH";
inline constexpr int kVersionMin = 1, kVersionMax = 3;
inline constexpr std::int64_t kDefaultPackSize = 20 << 20;  // bytes
inline constexpr std::int64_t kPackSizeMin = 10 << 20, kPackSizeMax = 120 << 20;
// How long a read of the format may be trusted, whatever the options say: the upgrade lock relies on it.
inline constexpr Duration kCacheDurationMax = minutes(15);

struct EpochParameters {
  bool enabled = false;
  Duration refresh_frequency{};
  std::int64_t full_checkpoint_frequency = 0;  // epochs
  Duration cleanup_safety_margin{};
  Duration min_epoch_duration{};
  std::int64_t advance_on_count = 0;
  std::int64_t advance_on_total_size_bytes = 0;
  std::int64_t delete_parallelism = 0;

  static EpochParameters defaults();  // format versions 2 and 3
  Status validate() const;
  Json to_json() const;  // PascalCase keys, all present
  static EpochParameters from_json(const Json& json);
  bool operator==(const EpochParameters&) const = default;
};

struct UpgradeLock {
  std::string owner_id;
  Timestamp creation_time = Timestamp::zero();
  Duration advance_notice{}, io_drain_timeout{}, status_poll_interval{}, max_permitted_clock_drift{};
  std::string message;

  Timestamp upgrade_time() const;
  bool locked(Timestamp now) const;
  bool writers_drained(Timestamp now) const { return now >= upgrade_time(); }
  bool operator==(const UpgradeLock&) const = default;
};

struct RequiredFeature {
  std::string feature;
  bool warn = false;
  std::string message, url, upgrade_to_version;
  bool operator==(const RequiredFeature&) const = default;
};
// Does this program understand the feature?
bool is_known_feature(std::string_view feature);

// Inner JSON {"format": …}. Unknown keys are kept in `raw` and survive a rewrite.
struct Parameters {
  std::string hash, encryption, ecc;
  int ecc_overhead_percent = 0;
  SecretBytes secret, master_key;
  int version = 0;
  std::int64_t max_pack_size = 0;  // bytes; 0 in the blob reads as 20 MiB
  int index_version = 0;           // 0 in the blob reads as 1
  EpochParameters epoch;
  bool enable_password_change = false;
  std::string splitter;
  std::optional<UpgradeLock> upgrade_lock;
  std::vector<RequiredFeature> required_features;
  Json raw;  // the document as read, without the two secrets

  Parameters clone() const;
  bool ecc_enabled() const { return !ecc.empty() && ecc_overhead_percent > 0; }
  // What Kopia lists as "contentFormat": everything but the secrets, the splitter, the lock and the features.
  Json content_format_json() const;
  // What may be stored: versions, sizes, epochs, algorithms, ECC against index version 1. Errors: invalid_argument.
  Status validate() const;
};

struct BlobConfig {
  std::string retention_mode;
  Duration retention_period{};
  bool enabled() const { return !retention_mode.empty() && retention_period.ns > 0; }
  // Both or neither; a known mode; at least 24 h. Errors: invalid_argument.
  Status validate() const;
  bool operator==(const BlobConfig&) const = default;
};

// Outer JSON.
struct FormatBlob {
  std::string tool, build_version, build_info;
  Bytes unique_id;  // 32 bytes
  std::string key_algorithm, encryption;
  Bytes sealed;
  Bytes raw;  // the exact bytes read, for the replica in packs

  // Errors: corrupt.
  static Result<FormatBlob> parse(ByteView bytes);
  // Kopia's layout; keys of `raw` that are not ours stay.
  std::string serialize() const;
};

struct CreateOptions {
  std::string hash, encryption, splitter, ecc;  // empty = defaults
  int ecc_overhead_percent = 0;
  int version = 0;  // 0 = 3
  std::string key_algorithm;
  BlobConfig blob_config;
  // Tests give fixed values; empty = random.
  Bytes unique_id, secret, master_key;
};

// What the options ask for, with fresh keys where none are given. Errors: invalid_argument, unsupported (algorithm).
Result<Parameters> new_parameters(const CreateOptions& options);

// The key the password gives; seals both blobs. Errors: unsupported (algorithm).
Result<SecretBytes> derive_format_key(const FormatBlob& blob, std::string_view password);
// Errors: unauthenticated "invalid repository password"; unsupported (version, required feature); corrupt.
// Unknown features with a warning only are logged.
Result<Parameters> open_parameters(const FormatBlob& blob, ByteView format_key);
Result<Bytes> seal_parameters(const Parameters& p, ByteView format_key, ByteView unique_id);
// Errors: corrupt "unable to decrypt repository blobcfg blob".
Result<BlobConfig> open_blob_config(ByteView stored, ByteView format_key, ByteView unique_id);
Result<Bytes> seal_blob_config(const BlobConfig& c, ByteView format_key, ByteView unique_id);

// One opened repository format: keys in memory, mutable parameters re-read when older than the cache duration, with the
// upgrade lock and the required features checked each time. Thread-safe.
class FormatManager {
 public:
  struct Options {
    std::string cache_directory;            // "" = none
    Duration cache_duration = minutes(15);  // capped at 15 min; negative: ignore the cache at the first read
    std::string upgrade_owner_id;
    bool wait_for_upgrade_lock = true;  // false: fail with failed_precondition "upgrade in progress" at once
    const Clock* clock = &system_clock();
  };
  // Errors: not_found "repository not initialized in the provided storage", unauthenticated, corrupt, unsupported.
  static Result<std::unique_ptr<FormatManager>> open(std::shared_ptr<blob::Storage> storage, std::string_view password,
                                                     Options options, std::stop_token stop);
  // Writes blobcfg, then the format blob, only where neither exists and the storage positively answered so.
  static Status initialize(blob::Storage& storage, std::string_view password, const CreateOptions& options,
                           std::stop_token stop);
  virtual ~FormatManager() = default;

  // Fails while an upgrade lock of someone else is in force or a required feature is not understood.
  virtual Result<std::shared_ptr<const Parameters>> parameters(std::stop_token stop) = 0;
  // As of the last read, never failing; immutable fields are always right.
  virtual std::shared_ptr<const Parameters> current() const = 0;
  virtual BlobConfig blob_config() const = 0;
  virtual ByteView unique_id() const = 0;
  virtual std::string unique_id_hex() const = 0;
  virtual std::string key_algorithm() const = 0;
  // Exact bytes of kopia.repository as read (replica in packs when password change is disabled).
  virtual Bytes format_blob_bytes() const = 0;
  virtual ByteView format_key() const = 0;
  // Read-modify-write without cache. `change` edits the freshly read values; what is fixed for the life of a repository
  // must stay. There is no compare-and-swap in the format: the last writer wins, so this stays rare and
  // operator-driven. Errors: those of `change`; invalid_argument (validation, immutable field); the storage's.
  virtual Status update(const std::function<Status(Parameters&, BlobConfig&)>& change, std::stop_token stop) = 0;
  // Keys and data stay. Errors: failed_precondition when the repository was created without support for it.
  virtual Status change_password(std::string_view new_password, std::stop_token stop) = 0;
  // 16 bytes, authenticates local cache entries.
  virtual SecretBytes cache_key() const = 0;
  // 32 bytes, seals kopia.maintenance.
  virtual SecretBytes maintenance_key() const = 0;
};

// Replica framing in packs (§3.7). The format blob must be below 65 000 bytes.
Buffer frame_replica(ByteView format_blob);
// From the head or tail (≤ 64 KiB) of a pack. Errors: not_found.
Result<Bytes> recover_replica(ByteView head, ByteView tail);
// Looks through the blobs of these prefixes for the latest replica: an older one may be from before an upgrade.
// `progress` (may be null) hears each blob looked at. Errors: not_found "could not find a replica of a format blob";
// the listing's.
struct FoundReplica {
  Bytes format_blob;
  BlobId found_in;
};
Result<FoundReplica> find_replica(blob::Storage& storage, const std::vector<std::string>& prefixes,
                                  const std::function<void(const BlobId&)>& progress, std::stop_token stop);

}  // namespace cairn::format
