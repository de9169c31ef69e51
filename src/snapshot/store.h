// Snapshot manifests in a repository. Nothing here flushes. (kopia-model §5.1, 6, 7.6, 8.2)
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "manifest/manifest_manager.h"
#include "snapshot/policy.h"
#include "snapshot/types.h"

namespace cairn::snapshot {

// Empty fields match anything. Unreadable manifests are left out of lists with a warning in the log, or fail the list
// when `strict` (for those who delete what no snapshot refers to).
struct SnapshotFilter {
  SourceInfo source;
  std::map<std::string, std::string> tags;  // as labels, e.g. {"tag:key", "value"}
  bool strict = false;
};

// Distinct sources of all snapshots, ascending by text.
Result<std::vector<SourceInfo>> list_sources(manifest::ManifestManager& manifests, std::stop_token stop);
// Ascending by start time.
Result<std::vector<SnapshotManifest>> list_snapshots(manifest::ManifestManager& manifests, const SnapshotFilter& filter,
                                                     std::stop_token stop);
// Exactly this source.
Result<std::vector<SnapshotManifest>> snapshots_of(manifest::ManifestManager& manifests, const SourceInfo& source,
                                                   std::stop_token stop);
// Errors: not_found "snapshot not found" (also for manifests of another type).
Result<SnapshotManifest> load_snapshot(manifest::ManifestManager& manifests, const std::string& id,
                                       std::stop_token stop);
// Unknown ids are left out.
Result<std::vector<SnapshotManifest>> load_snapshots(manifest::ManifestManager& manifests,
                                                     const std::vector<std::string>& ids, std::stop_token stop);
// Ascending by start time.
Result<std::vector<SnapshotManifest>> find_snapshots_by_root(manifest::ManifestManager& manifests,
                                                             const object::ObjectId& root, std::stop_token stop);
// Returns the new id and sets it. Errors: invalid_argument (empty host, user, path; a tag that hides a label).
Result<std::string> save_snapshot(manifest::ManifestManager& manifests, SnapshotManifest& snapshot,
                                  std::stop_token stop);
// Saves, then deletes the old id; the id changes.
Status update_snapshot(manifest::ManifestManager& manifests, SnapshotManifest& snapshot, std::stop_token stop);
Status delete_snapshot(manifest::ManifestManager& manifests, const std::string& id, std::stop_token stop);

// §8.2: the latest complete snapshot first (if any), then later incomplete ones.
Result<std::vector<SnapshotManifest>> previous_snapshots(manifest::ManifestManager& manifests, const SourceInfo& source,
                                                         std::optional<Timestamp> no_later_than, std::stop_token stop);
std::vector<SnapshotManifest> select_previous(std::vector<SnapshotManifest> of_source,
                                              std::optional<Timestamp> no_later_than);

// Snapshots of the source that its effective policy no longer keeps, ascending by start time; deleted when `remove`.
Result<std::vector<SnapshotManifest>> apply_retention(manifest::ManifestManager& manifests, const SourceInfo& source,
                                                      bool remove, std::stop_token stop);

// Pins stay sorted and unique. True when something changed.
bool update_pins(SnapshotManifest& snapshot, const std::vector<std::string>& add,
                 const std::vector<std::string>& remove);

// Paths where a snapshot may contain `path`: the path itself and its parents, longest first.
std::vector<std::string> path_and_parents(const std::string& path);

}  // namespace cairn::snapshot
