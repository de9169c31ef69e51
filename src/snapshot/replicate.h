// Keeping chosen snapshots of one repository in another that has keys, parameters and a retention of its own.
// docs/design/copies.md
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "repo/repository.h"
#include "snapshot/retention.h"
#include "snapshot/store.h"

namespace cairn::snapshot {

struct ReplicateOptions {
  std::map<std::string, std::string> tags;  // as labels; all must match
  std::optional<Timestamp> after, before;   // start time: [after, before)
  bool retention = true;                    // leave out what the destination's policy would not keep
  bool expire = false;                      // then remove there what its policy no longer keeps
  bool verify = false;                      // read every byte of what was copied
  bool dry_run = false;                     // nothing is written
  unsigned parallel = 0;                    // files copied at a time; 0 = CPUs
};

struct ReplicateResult {
  std::int64_t copied = 0, present = 0, not_kept = 0, failed = 0, expired = 0, verified = 0;
};

struct ReplicateCallbacks {
  std::function<void(const SnapshotManifest& snapshot)> on_snapshot;  // will be copied
  std::function<void(const SnapshotManifest& snapshot, const Status& status)> on_error;
  std::function<void(const SnapshotManifest& snapshot)> on_expired;  // removed, or would be
  std::function<void(std::int64_t bytes)> on_file = {};  // one more file of a snapshot was copied; by any thread
};

// Which of `candidates` (complete, of one source) are missing among `present` and kept by `policy` when all of them lie
// together. Ascending by start time. A pinned snapshot is always kept.
std::vector<SnapshotManifest> missing_and_kept(std::span<const SnapshotManifest> candidates,
                                               std::span<const SnapshotManifest> present,
                                               const RetentionPolicy& policy);

// Copies snapshots of the sources that `to` does not have. What is gone in `from` stays in `to`. Files of the newest
// snapshot that both have are not read again. Each snapshot is stored for good before the next; one that fails does not
// stop the others, but nothing expires then. Errors: failed_precondition (the same repository); the first snapshot's;
// corrupt (verification).
Result<ReplicateResult> replicate(repo::Repository& from, repo::Repository& to, const std::vector<SourceInfo>& sources,
                                  const ReplicateOptions& options, const ReplicateCallbacks& callbacks,
                                  std::stop_token stop);

}  // namespace cairn::snapshot
