// Restoring a tree to a place: the local file system or an archive. (kopia-model §9)
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/task_group.h"
#include "content/pack_ranges.h"
#include "object/object_manager.h"
#include "snapshot/restore_output.h"
#include "snapshot/types.h"

namespace cairn::snapshot {

struct RestoreOptions {
  unsigned parallel = 8;  // 0 = CPUs
  bool skip_existing = false;
  bool delete_extra = false;
  bool ignore_errors = false;
  // Entries deeper than this become placeholders (the root has depth 0).
  std::int64_t shallow_depth = std::int64_t{1} << 40;
  std::int64_t shallow_min_size = 0;  // smaller files are always real
  // Content bytes held by all workers together; while a chunk is decoded it is in memory twice.
  std::size_t bytes_in_flight_max = std::size_t{cpu_count()} * (8u << 20);
  // Small files of many directories are read together, in the order of the packs (docs/design/requests.md), and what
  // an output wants in order is read ahead.
  bool together = false;
  content::RangeLimits limits = {};  // of one request then
};

// Counters; any thread may read them while the restore runs.
struct RestoreProgress {
  std::atomic<std::int64_t> restored_bytes{0}, enqueued_bytes{0}, skipped_bytes{0};
  std::atomic<std::int64_t> restored_files{0}, restored_dirs{0}, restored_symlinks{0};
  std::atomic<std::int64_t> enqueued_files{0}, enqueued_dirs{0}, enqueued_symlinks{0};
  std::atomic<std::int64_t> skipped_count{0}, ignored_errors{0};
  std::atomic<std::int64_t> deleted_files{0}, deleted_dirs{0}, deleted_symlinks{0};
  std::atomic<std::int64_t> written_bytes{0};  // of files still being written, too
};

struct RestoreCallbacks {
  // An error that ignore_errors let pass; `path` is relative to the root. Any thread.
  std::function<void(const std::string& path, const Status& status)> on_ignored_error;
};

// Can `root` be opened? A directory is read in full. Errors: with the frames of a restore that fails there.
Status check_restorable(object::ObjectManager& objects, const DirEntry& root, std::stop_token stop);

// Opens everything that can be opened before the output is touched: the root (a directory is read once in full), then
// the output's own checks. Restores `root`, whose name is used by archives only. Directories get their attributes after
// all that is in them. Memory is bounded by options.bytes_in_flight_max and the number of unfinished directories.
// Errors: "restore error: …" with the first failure, cancelled.
Status restore_tree(object::ObjectManager& objects, const DirEntry& root, RestoreOutput& output,
                    const RestoreOptions& options, RestoreProgress& progress, const RestoreCallbacks& callbacks,
                    std::stop_token stop);

}  // namespace cairn::snapshot
