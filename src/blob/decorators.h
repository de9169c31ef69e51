// Storage decorators: each takes the next storage inwards and is itself a storage. Retry, deadlines and back-off live
// here and nowhere else.
#pragma once

#include <array>
#include <atomic>
#include <memory>

#include "blob/storage.h"

namespace cairn::blob {

using StoragePtr = std::shared_ptr<Storage>;

struct RetryOptions {
  int attempts_max = 10;
  Duration first_delay = milliseconds(100);
  double factor = 1.5;
  Duration delay_max = seconds(32);
  Duration budget = minutes(5);  // over all attempts of one call
};
// Retries get, metadata, put, remove (not list) on retryable codes; honours retry_after.
StoragePtr with_retry(StoragePtr inner, RetryOptions options);

// Refuses put, remove, extend_retention with permission_denied "storage is read-only".
StoragePtr with_read_only(StoragePtr inner);

// kopia-format §2.2: limits, 0 = unlimited. May be changed while in use.
struct ThrottleLimits {
  double reads_per_second = 0, writes_per_second = 0, lists_per_second = 0;
  double upload_bytes_per_second = 0, download_bytes_per_second = 0;
  int concurrent_reads = 0, concurrent_writes = 0;
  Json to_json() const;  // omit-empty keys in Kopia's order
  static ThrottleLimits from_json(const Json& config);
  bool operator==(const ThrottleLimits&) const = default;
};
class Throttle {
 public:
  virtual ~Throttle() = default;
  virtual void set_limits(const ThrottleLimits& limits) = 0;
  virtual ThrottleLimits limits() const = 0;
};
struct ThrottledStorage {
  StoragePtr storage;
  std::shared_ptr<Throttle> throttle;
};
ThrottledStorage with_throttle(StoragePtr inner, const ThrottleLimits& limits);

// Counts requests by class and bytes.
struct StorageMetrics {
  std::atomic<std::int64_t> gets{0}, puts{0}, lists{0}, metadata{0}, removes{0};
  std::atomic<std::int64_t> bytes_read{0}, bytes_written{0}, errors{0};
};
StoragePtr with_metrics(StoragePtr inner, std::shared_ptr<StorageMetrics> metrics);

// Adds retention options to every put whose id starts with one of the protected prefixes (kopia-format §2.9).
StoragePtr with_retention(StoragePtr inner, std::string mode, Duration period);

}  // namespace cairn::blob
