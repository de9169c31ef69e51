// Backup of one source into a repository. docs/design/upload.md (kopia-model §8)
//
// One walker lists directories and compares them with the previous snapshots; workers read what changed and store it.
// Memory is bounded: about a hundred bytes per entry of the directories in progress, and nothing for those done.
#pragma once

#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "repo/repository.h"
#include "snapshot/policy.h"
#include "snapshot/types.h"
#include "snapshot/upload_progress.h"

namespace cairn::snapshot {

// Upper bound and default: garbage collection elsewhere relies on it (kopia-model §11.6).
inline constexpr Duration kCheckpointIntervalMax = minutes(45);

struct UploadOptions {
  unsigned parallel = 0;  // worker threads; 0 = the policy's maxParallelFileReads, else the number of CPUs
  Duration checkpoint_interval = kCheckpointIntervalMax;
  std::map<std::string, std::string> checkpoint_tags;
  std::int64_t upload_limit_bytes = 0;  // of bytes read; 0 = none
  bool fail_fast = false;               // the first fatal error cancels
  double force_hash_percent = 0;        // share of unchanged files that are read all the same
  bool enable_actions = false;
  std::optional<std::int64_t> log_dir_detail, log_entry_detail;  // override the policy's
  UploadProgress* progress = nullptr;                            // outlives the upload
  bool estimate = false;                                         // fill the progress's estimated totals
  std::int64_t adaptive_estimation_threshold = 300'000;  // files of a volume from which on its usage is the estimate
};

struct UploadSource {
  SourceInfo info;   // as it is stored
  std::string path;  // what is read; absolute
  // Non-empty: the source is a virtual directory with this one file, read from `stream_fd`.
  std::string stream_name;
  int stream_fd = -1;
};

// Stores the source and returns the manifest, not saved: source, times, stats, root entry; `incomplete` is set when
// `stop` was requested ("canceled") or the limit was reached ("limit reached"): everything stored so far is in the tree
// then. Errors of single entries are in the root's summary and in the stats. Checkpoints save incomplete snapshots of
// their own. Errors: invalid_argument (interval, kind of source), those of the root, of directory objects, of actions.
Result<SnapshotManifest> upload(repo::Repository& repository, const UploadSource& source, const PolicyTree& policies,
                                const std::vector<SnapshotManifest>& previous, const UploadOptions& options,
                                std::stop_token stop);

}  // namespace cairn::snapshot
