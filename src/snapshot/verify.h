// Proving that snapshots can be restored. (kopia-model §10.2)
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <vector>

#include "base/json.h"
#include "repo/repository.h"
#include "snapshot/types.h"

namespace cairn::snapshot {

struct VerifyOptions {
  // Nothing of these: all snapshots.
  std::vector<std::string> snapshot_ids;
  std::vector<std::string> sources;  // texts
  std::vector<std::string> directory_ids, file_ids;
  std::int64_t max_errors = 0;    // 0 = stop at the first; negative: never
  unsigned parallel = 8;          // directories read at once
  unsigned file_parallelism = 0;  // readers of contents; 0 = as suits the storage
  double files_percent = 0;       // chance of an object to be read fully
  std::string working_directory;
  // Memory for what waits to be read.
  std::size_t contents_in_batch_max = 64 * 1024;
};

struct VerifyStats {
  std::int64_t processed_objects = 0, processed_bytes = 0, read_files = 0, read_bytes = 0;
  std::int64_t expected_objects = 0, expected_files = 0, expected_bytes = 0;
  Json to_json() const;
};

struct VerifyResult {
  VerifyStats stats;
  std::int64_t error_count = 0;
  std::vector<std::string> error_texts;
  Json to_json() const;
};

struct VerifyCallbacks {
  std::function<void()> on_list_start;
  std::function<void(std::int64_t blobs)> on_listed;
  // All roots are known; the walk begins.
  std::function<void(const VerifyStats&)> on_start;
  std::function<void(const VerifyStats&)> on_progress;  // at most once a second, one thread at a time
  // A complete line: "error processing PATH: …", "unable to parse snapshot manifest X: …".
  std::function<void(const std::string& line)> on_error;
};

// `result` is filled also when the verification fails. Errors: the single error, "encountered N errors", cancelled.
Status verify_snapshots(repo::Repository& repository, const VerifyOptions& options, const VerifyCallbacks& callbacks,
                        VerifyResult& result, std::stop_token stop);

}  // namespace cairn::snapshot
