// Disk caches with hard caps whose entries are authenticated. A damaged, full or unwritable cache never fails an
// operation: it only misses. docs/design/cache.md (kopia-format §13.5; the layout is ours)
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/time.h"

namespace cairn::content {

struct CacheSettings {
  std::string directory;                          // "" = no disk cache
  std::int64_t content_bytes_max = 5000LL << 20;  // soft limits
  std::int64_t content_bytes_limit = 0;           // hard; 0 = same as the soft one
  std::int64_t metadata_bytes_max = 5000LL << 20;
  std::int64_t metadata_bytes_limit = 0;
  Duration list_duration = seconds(30);
  Duration metadata_min_sweep_age = hours(24), content_min_sweep_age = minutes(10), index_min_sweep_age = hours(1);
};

// One sub-directory ("contents", "metadata", "index-blobs"). Files are named by key; each ends with an HMAC-SHA256 over
// key and bytes. Thread-safe.
class BlobCache {
 public:
  // Never fails: an unusable directory gives a cache that always misses.
  static std::unique_ptr<BlobCache> open(const std::string& directory, ByteView hmac_key, std::int64_t bytes_max,
                                         Duration min_sweep_age, const Clock& clock);
  virtual ~BlobCache() = default;
  virtual std::optional<Buffer> get(std::string_view key) = 0;
  // Part of an entry; the whole entry has been authenticated once in this process before parts are served.
  virtual std::optional<Buffer> get_range(std::string_view key, std::int64_t offset, std::int64_t length) = 0;
  // False when it could not be kept.
  virtual bool put(std::string_view key, ByteView bytes) = 0;
  virtual void remove(std::string_view key) = 0;
  struct Usage {
    std::int64_t files = 0, bytes = 0;
  };
  virtual Usage usage() = 0;
  virtual bool enabled() const = 0;
};

// Writes CACHEDIR.TAG once. Only files of our own layout are ever removed from `directory`.
void prepare_cache_directory(const std::string& directory);
// The sub-directories that make up the cache, for `cache info` and `cache clear`.
inline constexpr const char* kCacheSubdirectories[] = {"contents",   "metadata",        "indexes",    "blob-list",
                                                       "own-writes", "server-contents", "index-blobs"};

}  // namespace cairn::content
