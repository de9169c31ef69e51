// Tasks on whole blobs: orphaned packs, logs, object locks. (kopia-model §11.5)
#pragma once

#include <functional>

#include "maintenance/parameters.h"
#include "maintenance/report.h"
#include "maintenance/safety.h"
#include "maintenance/snapshot_gc.h"
#include "repo/repository.h"

namespace cairn::maintenance {

// Asked before deleting; an error ends the task. Empty ones permit.
struct DeletionRight {
  std::function<Status()> before_batch;  // looks anew
  std::function<Status()> before_each;   // looks anew when the last look is old
};

struct DeletePacksOptions {
  Timestamp now;  // by the storage's clock
  std::vector<std::string> prefixes{"p", "q", "s"};
  std::int64_t list_parallelism = 0;  // 0 = 16
  bool dry_run = false;
  DeletionRight right;
};

struct DeletePacksStats {
  CountAndSize unreferenced, deleted, retained;
  Json to_json() const;
};

// Packs that no index entry names, old enough and of no live session. A session marker that cannot be read ends the
// task before the first removal. Errors: corrupt, the storage's.
Result<DeletePacksStats> delete_unreferenced_packs(repo::Repository& repository, const Safety& safety,
                                                   const DeletePacksOptions& options, const Report& report,
                                                   std::stop_token stop);

struct CleanupLogsStats {
  CountAndSize to_delete, deleted, retained;
  Json to_json() const;
};
struct LogCleanup {
  Timestamp now;  // by the storage's clock
  bool dry_run = false;
  DeletionRight right;
};
// Newest first, the first log beyond a limit and all older ones go.
Result<CleanupLogsStats> cleanup_logs(blob::Storage& storage, const LogRetention& retention, const LogCleanup& options,
                                      const Report& report, std::stop_token stop);

struct ExtendStats {
  std::int64_t to_extend = 0, extended = 0;
  Duration period{};
  Json to_json() const;
};
// Renews the object lock of every blob that the repository needs.
Result<ExtendStats> extend_retention(blob::Storage& storage, const format::BlobConfig& config, const Report& report,
                                     std::stop_token stop);

}  // namespace cairn::maintenance
