#include "snapshot/replicate.h"

#include <algorithm>

#include "snapshot/migrate.h"
#include "snapshot/verify.h"

namespace cairn::snapshot {
namespace {

bool is_complete(const SnapshotManifest& s) { return s.incomplete.empty() && s.root.has_value(); }

const SnapshotManifest* twin_of(const SnapshotManifest& s, std::span<const SnapshotManifest> among) {
  const auto it = std::ranges::find_if(
      among, [&](const SnapshotManifest& other) { return is_complete(other) && other.start_time == s.start_time; });
  return it == among.end() ? nullptr : &*it;
}

Result<std::vector<SnapshotManifest>> candidates_of(repo::Repository& from, const SourceInfo& source,
                                                    const ReplicateOptions& options, std::stop_token stop) {
  TRY_ASSIGN(auto found, list_snapshots(from.manifests(), {.source = source, .tags = options.tags, .strict = false},
                                        std::move(stop)));
  std::erase_if(found, [&](const SnapshotManifest& s) {
    return !is_complete(s) || s.source != source || (options.after && s.start_time < *options.after) ||
           (options.before && s.start_time >= *options.before);
  });
  return found;
}

// One call of replicate().
class Replication {
 public:
  Replication(repo::Repository& from, repo::Repository& to, const ReplicateOptions& options,
              const ReplicateCallbacks& callbacks, ReplicateResult& result)
      : from_(from),
        to_(to),
        options_(options),
        callbacks_(callbacks),
        result_(result),
        migration_(from, to, {.parallel = options.parallel},
                   {.on_snapshot = [this](const SnapshotManifest& s, bool) { callbacks_.on_snapshot(s); },
                    .on_error =
                        [this](const SnapshotManifest& s, const Status& status) {
                          ++result_.failed;
                          callbacks_.on_error(s, status);
                        },
                    .on_saved = [this](const SnapshotManifest& copy) { saved_.push_back(copy.id); },
                    .on_file = callbacks.on_file}) {}

  Status copy(const SourceInfo& source, std::stop_token stop) {
    TRY_ASSIGN(const auto candidates, candidates_of(from_, source, options_, stop));
    TRY_ASSIGN(const auto present, snapshots_of(to_.manifests(), source, stop));
    RetentionPolicy policy;
    if (options_.retention) {
      TRY_ASSIGN(const EffectivePolicy effective, effective_policy(to_.manifests(), source, stop));
      policy = effective.policy.retention;
    }
    const auto chosen = missing_and_kept(candidates, present, policy);
    const auto missing =
        std::ranges::count_if(candidates, [&](const SnapshotManifest& s) { return twin_of(s, present) == nullptr; });
    result_.present += std::ssize(candidates) - missing;
    result_.not_kept += missing - std::ssize(chosen);
    if (options_.dry_run) {
      for (const SnapshotManifest& s : chosen) {
        callbacks_.on_snapshot(s);
      }
      result_.copied += std::ssize(chosen);
      return {};
    }
    if (chosen.empty()) {
      return {};
    }
    for (auto s = candidates.rbegin(); s != candidates.rend(); ++s) {
      if (const SnapshotManifest* twin = twin_of(*s, present); twin != nullptr) {
        TRY(migration_.learn(*s->root, *twin->root, stop));
        break;
      }
    }
    const std::size_t before = saved_.size();
    Status status = migration_.migrate(source, chosen, stop);
    result_.copied += static_cast<std::int64_t>(saved_.size() - before);
    return status;
  }

  Status verify(std::stop_token stop) {
    if (saved_.empty()) {
      return {};
    }
    VerifyOptions verify;
    verify.snapshot_ids = saved_;
    verify.files_percent = 100;
    VerifyResult verified;
    TRY(verify_snapshots(to_, verify, {}, verified, std::move(stop)), "verification of the copies");
    result_.verified = std::ssize(saved_);
    return {};
  }

  Status expire(const SourceInfo& source, std::stop_token stop) {
    TRY_ASSIGN(const auto gone, apply_retention(to_.manifests(), source, !options_.dry_run, std::move(stop)));
    for (const SnapshotManifest& s : gone) {
      callbacks_.on_expired(s);
    }
    result_.expired += std::ssize(gone);
    return {};
  }

 private:
  repo::Repository& from_;
  repo::Repository& to_;
  const ReplicateOptions& options_;
  const ReplicateCallbacks& callbacks_;
  ReplicateResult& result_;
  std::vector<std::string> saved_;  // ids of the copies
  Migration migration_;
};

}  // namespace

std::vector<SnapshotManifest> missing_and_kept(std::span<const SnapshotManifest> candidates,
                                               std::span<const SnapshotManifest> present,
                                               const RetentionPolicy& policy) {
  std::vector<SnapshotManifest> missing;
  for (const SnapshotManifest& s : candidates) {
    if (twin_of(s, present) == nullptr) {
      missing.push_back(s);
    }
  }
  if (policy == RetentionPolicy{}) {
    return missing;
  }
  std::vector<SnapshotManifest> together(present.begin(), present.end());
  together.insert(together.end(), missing.begin(), missing.end());
  std::ranges::sort(together, {}, &SnapshotManifest::start_time);
  compute_retention_reasons(policy, together);
  std::erase_if(missing, [&](const SnapshotManifest& s) {
    return std::ranges::none_of(
        together, [&](const SnapshotManifest& t) { return t.start_time == s.start_time && !is_expired(t); });
  });
  return missing;
}

Result<ReplicateResult> replicate(repo::Repository& from, repo::Repository& to, const std::vector<SourceInfo>& sources,
                                  const ReplicateOptions& options, const ReplicateCallbacks& callbacks,
                                  std::stop_token stop) {
  if (from.format().unique_id_hex() == to.format().unique_id_hex()) {
    return error(Code::failed_precondition,
                 "the destination is the same repository, or a copy of it by sync-to; replicate into one that was "
                 "created by itself");
  }
  ReplicateResult result;
  Replication replication(from, to, options, callbacks, result);
  Status first;
  for (const SourceInfo& source : sources) {
    Status status = replication.copy(source, stop);
    if (status.is(Code::cancelled)) {
      return status;
    }
    first = first.ok() ? std::move(status).with_frame("unable to replicate " + source.text()) : std::move(first);
  }
  TRY(std::move(first));
  if (options.verify && !options.dry_run) {
    TRY(replication.verify(stop));
  }
  if (options.expire) {
    for (const SourceInfo& source : sources) {
      TRY(replication.expire(source, stop), "unable to expire copies of {}", source.text());
    }
    if (result.expired > 0 && !options.dry_run) {
      TRY(to.flush({}), "error flushing writer");
    }
  }
  return result;
}

}  // namespace cairn::snapshot
