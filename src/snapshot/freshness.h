// May a snapshot still rely on what it took over? docs/design/maintenance.md (kopia-model §11.6 rule 2)
//
// Contents that only a snapshot in the making refers to may be marked by another client's garbage collection. They are
// safe as long as that snapshot, or a checkpoint of it, is saved before two further collections, eight hours at least,
// have passed. A process that stood still for days (a suspended machine, a frozen pod) must look again before it saves.
#pragma once

#include <functional>

#include "repo/repository.h"
#include "snapshot/types.h"

namespace cairn::snapshot {

class Freshness {
 public:
  // Everything found from now on is trusted for a while.
  explicit Freshness(const Clock& clock) : clock_(clock), since_(clock.now()) {}
  // What has been saved protects itself.
  void renew() { since_ = clock_.now(); }

  // Saves the snapshot and flushes; `before_flush` adds what belongs to the same commit (may be null). When too much
  // time has passed, every content below the root is looked up first, and what has been marked is stored anew; the same
  // after the flush. Errors: not_found (something is gone: nothing stays saved, the backup must be made again), the
  // storage's.
  Status save(repo::Repository& repository, SnapshotManifest& manifest, const std::function<Status()>& before_flush,
              std::stop_token stop);

 private:
  bool stale() const;
  Status confirm(repo::Repository& repository, const SnapshotManifest& manifest, std::stop_token stop);

  const Clock& clock_;
  Timestamp since_;
};

}  // namespace cairn::snapshot
