// Marks contents that no snapshot refers to as deleted, and takes marks back where one does. (kopia-model §11.5)
#pragma once

#include "maintenance/memory.h"
#include "maintenance/report.h"
#include "maintenance/safety.h"
#include "repo/repository.h"

namespace cairn::maintenance {

struct CountAndSize {
  std::int64_t count = 0, bytes = 0;
  void add(std::int64_t size) {
    ++count;
    bytes += size;
  }
};

struct GcStats {
  CountAndSize unreferenced, deleted, unreferenced_recent, in_use, in_use_system, recovered;
  Json to_json() const;
};

struct GcOptions {
  Timestamp now;         // start of the maintenance, by the storage's clock
  bool dry_run = false;  // only counts
  MemoryBudget memory{};
  std::int64_t expected_in_use = 0;  // contents in use by the last run, for the time left; 0 = not known
};

// Stops before the first mark when a snapshot cannot be parsed, a directory cannot be read, or a content that a
// snapshot needs is in no index; then the message names the snapshot. Memory: the budget's, whatever the number of
// contents, and 16 bytes a directory. Errors: corrupt, not_found, resource_exhausted (no room for temporary files), the
// storage's.
Result<GcStats> collect_garbage(repo::Repository& repository, const Safety& safety, const GcOptions& options,
                                const Report& report, std::stop_token stop);

}  // namespace cairn::maintenance
