// Contents: content id → bytes. Hashing, deduplication, compression, encryption, packing, sessions, flush, reading.
// docs/format/packs.md (kopia-format §6, 7, 10, 11)
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "blob/storage.h"
#include "compress/codec.h"
#include "content/cache.h"
#include "format/repository_format.h"
#include "format/unit_crypto.h"
#include "index/index_manager.h"

namespace cairn::content {

// index::Entry with an owned pack name.
struct ContentInfo {
  ContentId id;
  BlobId pack;
  std::uint32_t pack_offset = 0, packed_length = 0, original_length = 0;
  std::int64_t timestamp_seconds = 0;
  compress::HeaderId compression = 0;
  std::uint8_t format_version = 0, encryption_key_id = 0;
  bool deleted = false;
};

struct WriteStats {
  std::int64_t contents_new = 0, contents_reused = 0;
  std::int64_t bytes_hashed = 0;        // plaintext given to write()
  std::int64_t bytes_new_original = 0;  // plaintext of new contents
  std::int64_t bytes_new_packed = 0;    // their stored size
  std::int64_t packs_written = 0, bytes_uploaded = 0;
};

struct ContentOptions {
  std::string username, hostname;  // session marker
  const Clock* clock = &system_clock();
  unsigned upload_threads = 2;
  // Packs open or not yet stored: room for two. write() waits above it.
  std::size_t pack_bytes_in_memory_max = 40u << 20;
  Duration index_flush_interval = minutes(10);
  std::size_t pending_entries_max = 60'000;  // of the index batch in memory; more are spilled as sorted runs
  Duration refresh_interval = minutes(15);
  bool read_only = false;
  // Indexes are loaded at first use, not at open(): damaged ones do not keep their repair out.
  bool defer_indexes = false;
  CacheSettings cache;
};

struct IterateOptions {
  std::string first, last;  // text ids, half-open; "" = unbounded
  bool include_deleted = false;
};

// Thread-safe: any number of threads may write and read at once.
// Invariants: an index entry is published only after its pack is stored; what was encoded has been decoded and compared
// before it may leave the process; a deleted or hidden entry counts as absent for writers.
class ContentManager {
 public:
  static Result<std::unique_ptr<ContentManager>> open(std::shared_ptr<blob::Storage> storage,
                                                      format::FormatManager& format, ContentOptions options,
                                                      std::stop_token stop);
  virtual ~ContentManager() = default;  // abandons what was not flushed

  // Stores `data` unless a live content with its hash exists. `prefix` 0 or 'g'…'z'. Compression is applied when it
  // saves bytes and the index version can record it. Blocks while too many bytes wait for upload.
  // Errors: the storage's; corrupt/internal when what was encoded does not decode back (the session is then dead).
  virtual Result<ContentId> write(ByteView data, char prefix, compress::HeaderId compression, std::stop_token stop) = 0;
  // Id `data` would get.
  virtual ContentId id_of(ByteView data, char prefix) const = 0;
  // Plaintext; verified against the id. Deleted contents are readable. Errors: not_found, corrupt (naming content and
  // pack), the storage's. On a missing pack the indexes are refreshed once.
  virtual Result<Buffer> read(const ContentId& id, std::stop_token stop) = 0;
  // Errors: not_found.
  virtual Result<ContentInfo> info(const ContentId& id, std::stop_token stop) = 0;
  // Marks deleted (index entry only). Missing: not_found.
  virtual Status remove(const ContentId& id, std::stop_token stop) = 0;
  // Stores a copy in a new pack, deleted mark and compression kept; the old copy stays where it is until maintenance
  // finds its pack unused. Errors: not_found, corrupt.
  virtual Status rewrite(const ContentId& id, std::stop_token stop) = 0;
  // All pending packs, then the index, then the session marker's removal. On success everything written before is
  // committed. After a failure it may be called again.
  virtual Status flush(std::stop_token stop) = 0;
  // Suspends index flushes between (manifest compaction): additions and deletions land in one index blob.
  virtual void hold_index_flush(bool hold) = 0;

  // Every content in id order, pending ones included.
  virtual Status iterate(const IterateOptions& options, const std::function<Status(const ContentInfo&)>& fn,
                         std::stop_token stop) = 0;
  // Contents in the committed index, hidden ones included: how long iterate() will be.
  virtual std::size_t count() const = 0;
  virtual Status refresh(std::stop_token stop) = 0;
  // Changes whenever the set of known contents may have changed.
  virtual std::uint64_t revision() const = 0;
  virtual WriteStats stats() const = 0;
  virtual bool supports_content_compression() const = 0;  // index version ≥ 2
  virtual index::IndexManager& indexes() = 0;
  virtual index::EpochManager* epochs() = 0;  // null when epochs are off
  virtual const format::UnitCrypto& crypto() const = 0;
  virtual blob::Storage& storage() = 0;
  virtual bool read_only() const = 0;
  // Where large temporary data may lie: the cache directory, or "" for the system's.
  virtual const std::string& scratch_directory() const = 0;
};

}  // namespace cairn::content
