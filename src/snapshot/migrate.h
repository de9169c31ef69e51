// `snapshot migrate`: snapshots and policies of one repository into another. (kopia-model §10.4)
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <unordered_map>

#include "repo/repository.h"
#include "snapshot/ignore.h"
#include "snapshot/policy.h"
#include "snapshot/rewrite.h"
#include "snapshot/store.h"

namespace cairn::snapshot {

struct MigrateOptions {
  bool latest_only = false;
  bool apply_ignore_rules = false;
  unsigned parallel = 0;  // files copied at a time; 0 = CPUs
};

// Copies the trees of snapshots, exactly as they are stored. An object met again is not copied again.
// Memory: about 150 bytes for every different object.
class Migration {
 public:
  struct Callbacks {
    std::function<void(const SnapshotManifest& snapshot, bool already)> on_snapshot;
    std::function<void(const SnapshotManifest& snapshot, const Status& status)> on_error;
    std::function<void(const SnapshotManifest& copy)> on_saved = {};  // the copy is stored for good
    std::function<void(std::int64_t bytes)> on_file = {};  // one more file was read and stored; by any thread
  };
  Migration(repo::Repository& from, repo::Repository& to, MigrateOptions options, Callbacks callbacks);
  // Complete snapshots of the source, oldest first, that the destination does not have (same source and start time).
  // Saved with times, description, tags, pins and counters; flushed after each. Goes on after a snapshot that cannot be
  // copied (on_error) and returns the first such error.
  Status migrate(const SourceInfo& source, std::stop_token stop);
  // The same for these snapshots of the source, whichever the destination has.
  Status migrate(const SourceInfo& source, const std::vector<SnapshotManifest>& snapshots, std::stop_token stop);
  // `to` is an earlier copy of `from`: files in it are not read again. Only directories are read. A directory that
  // cannot be read teaches nothing. Errors: cancelled.
  Status learn(const DirEntry& from, const DirEntry& to, std::stop_token stop);

 private:
  class Tree;
  Status migrate_one(const SnapshotManifest& snapshot, const PolicyTree& policies, std::stop_token stop);
  Result<object::ObjectId> copy(const DirEntry& entry, const Policy& policy, std::stop_token stop);

  repo::Repository& from_;
  repo::Repository& to_;
  const MigrateOptions options_;
  const Callbacks callbacks_;
  std::mutex mutex_;
  std::unordered_map<std::string, object::ObjectId> copied_;  // by the id in the source repository
};

}  // namespace cairn::snapshot
