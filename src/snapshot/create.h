// The whole of `snapshot create` as a function: previous snapshots, policies, upload, manifest, retention, flush.
// Used by the command line, the server and the mover. (kopia-model §8.11)
#pragma once

#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "snapshot/upload.h"

namespace cairn::snapshot {

inline constexpr std::size_t kDescriptionMax = 1024;

struct CreateRequest {
  UploadSource source;
  std::string description;
  std::map<std::string, std::string> tags;  // labels, e.g. {"tag:key", "value"}
  std::vector<std::string> pins;
  std::optional<Timestamp> start_time, end_time;  // one alone shifts the other
  bool set_manual = false;                        // mark the source's policy as manual
  UploadOptions upload;
  std::function<void()> before_save;  // the tree is stored, what follows makes it a snapshot
};

struct CreateResult {
  SnapshotManifest manifest;  // `id` is set when saved
  bool saved = false;         // false: identical to the previous one, and the policy says not to keep such
};

// Errors: the upload's with frame "upload error"; those of saving, retention and flush. Errors of single entries are no
// error of this function: see manifest.stats.error_count.
Result<CreateResult> create_snapshot(repo::Repository& repository, const CreateRequest& request, std::stop_token stop);

// As create_snapshot, with the policies given (the server has them at hand).
Result<CreateResult> create_snapshot(repo::Repository& repository, const CreateRequest& request,
                                     const PolicyTree& policies, std::stop_token stop);

// `path` made absolute; a symbolic link is followed (`resolved`), so that its target is read. Errors: not_found in
// Kopia's words.
struct ResolvedPath {
  std::string path;
  bool resolved = false;
};
Result<ResolvedPath> resolve_source_path(const std::string& path);

// Sources of this user and host that have snapshots and whose policy is not manual, ascending.
Result<std::vector<SourceInfo>> automatic_sources(repo::Repository& repository, std::stop_token stop);

// Sets `scheduling.manual` in the policy defined at the source. Errors: invalid_argument with Kopia's words when the
// policy has a schedule.
Status mark_source_manual(repo::Repository& repository, const SourceInfo& source, std::stop_token stop);

// The default maintenance parameters with this client as owner, unless the repository has some.
Status ensure_maintenance_parameters(repo::Repository& repository, std::stop_token stop);

}  // namespace cairn::snapshot
