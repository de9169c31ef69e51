// Copying a repository blob by blob into another storage. docs/design/copies.md (kopia-interfaces §1.8.7)
#pragma once

#include <functional>

#include "blob/storage.h"

namespace cairn::repo {

struct SyncOptions {
  bool update = true;       // blobs that differ are written anew
  bool remove = false;      // blobs that the source does not have are removed
  bool must_exist = false;  // the destination must hold the format blob already
  bool times = false;       // keep the source's times where the storage can
  bool verify = false;      // read back and compare what was written
  bool dry_run = false;     // nothing is written
  unsigned parallel = 1;
};

struct SyncCount {
  std::int64_t blobs = 0, bytes = 0;
  void add(std::int64_t size) {
    ++blobs;
    bytes += size;
  }
};

struct SyncResult {
  SyncCount in_source, in_destination, to_copy, to_remove, in_sync, copied, removed;
  std::int64_t vanished = 0;   // left the source while it was copied
  std::int64_t different = 0;  // differ, but must not be updated
};

struct SyncCallbacks {
  // After the comparison, before anything is written.
  std::function<void(const SyncResult&)> on_compared;
  std::function<void(const SyncResult&)> on_copied;  // by any thread, one at a time
  std::function<void(const BlobId&)> on_vanished;
};

// May the source be copied there? Errors: failed_precondition (another repository, or none although it must exist); the
// storage's: a destination that does not answer is never taken for empty.
Status check_sync_destination(blob::Storage& source, blob::Storage& destination, bool must_exist, std::stop_token stop);

// Makes the destination hold the source's blobs. Compared by id and length, the few blobs that are rewritten in place
// by their bytes. Packs go before the indexes that name them, the format blob last; removals are the other way round.
// What was copied stays when the call ends early, and the next one goes on from there. Errors: the storages'; corrupt
// (verification).
Result<SyncResult> sync_repository(blob::Storage& source, blob::Storage& destination, const SyncOptions& options,
                                   const SyncCallbacks& callbacks, std::stop_token stop);

}  // namespace cairn::repo
