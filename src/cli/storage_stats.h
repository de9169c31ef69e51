// How much each of a row of snapshots added to what the ones before it already hold (`snapshot list --storage-stats`).
#pragma once

#include <memory>

#include "repo/repository.h"
#include "snapshot/types.h"

namespace cairn::cli {

struct StorageUsage {
  std::int64_t object_bytes = 0, original_content_bytes = 0, packed_content_bytes = 0;
  std::int64_t file_objects = 0, directory_objects = 0, contents = 0;
  Json to_json() const;
};

struct StorageStats {
  StorageUsage new_data, running_total;
  Json to_json() const;
};

// Not thread-safe.
class StorageStatsCounter {
 public:
  explicit StorageStatsCounter(repo::Repository& repository);
  ~StorageStatsCounter();
  // Walks the tree of `root`; what earlier calls have seen is not new. Errors: those of reading directories.
  Result<StorageStats> add(const snapshot::DirEntry& root, std::stop_token stop);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace cairn::cli
