#include "snapshot/history.h"

#include <algorithm>

namespace cairn::snapshot {
namespace {

SourceInfo renamed(const SourceInfo& source, const SourceInfo& to) {
  const auto pick = [](const std::string& now, const std::string& before) { return now.empty() ? before : now; };
  return {pick(to.host, source.host), pick(to.user_name, source.user_name), pick(to.path, source.path)};
}

bool same_snapshot(const SnapshotManifest& a, const SnapshotManifest& b) {
  return a.start_time == b.start_time && a.root && b.root && a.root->obj == b.root->obj;
}

}  // namespace

Result<std::int64_t> copy_history(manifest::ManifestManager& manifests, const HistoryRequest& request,
                                  std::stop_token stop) {
  if (!request.to.path.empty() && request.from.path.empty()) {
    return error(Code::invalid_argument, "path specified on destination but not source");
  }
  if (!request.to.user_name.empty() && request.from.user_name.empty()) {
    return error(Code::invalid_argument, "username specified on destination but not source");
  }
  TRY_ASSIGN(const auto snapshots,
             list_snapshots(manifests, {.source = request.from, .tags = {}, .strict = true}, stop));
  std::int64_t changes = 0;
  for (const SnapshotManifest& original : snapshots) {
    const SourceInfo target = renamed(original.source, request.to);
    if (target == original.source) {
      continue;
    }
    TRY_ASSIGN(const auto present, snapshots_of(manifests, target, stop));
    const bool exists = std::ranges::any_of(present, [&](const auto& p) { return same_snapshot(p, original); });
    request.on_step(exists ? HistoryStep::exists : HistoryStep::copy, original, target);
    if (request.dry_run) {
      continue;
    }
    if (!exists) {
      SnapshotManifest copy = original;
      copy.source = target;
      TRY(save_snapshot(manifests, copy, stop), "unable to save snapshot");
      ++changes;
    }
    if (request.move) {
      TRY(delete_snapshot(manifests, original.id, stop), "unable to delete snapshot {}", original.id);
      ++changes;
    }
  }
  return changes;
}

}  // namespace cairn::snapshot
