#include "maintenance/run.h"

#include "base/log.h"
#include "index/epoch_merge.h"
#include "index/legacy_compact.h"
#include "maintenance/blob_tasks.h"
#include "maintenance/continuation.h"
#include "maintenance/lease.h"
#include "maintenance/ownership.h"
#include "maintenance/rewrite.h"
#include "maintenance/self_check.h"
#include "maintenance/snapshot_gc.h"
#include "sys/file.h"
#include "sys/mapped.h"

namespace cairn::maintenance {
namespace {

constexpr Duration kSkewMax = minutes(5);
// By itself only when nothing was recorded for this time: the run may live in another place under the same name.
constexpr Duration kQuietBeforeContinuing = hours(1);

// Keeps mapped memory within the budget while a run lasts.
class ResidentCeiling {
 public:
  explicit ResidentCeiling(const MemoryBudget& budget) { sys::keep_resident_below(budget.resident()); }
  ~ResidentCeiling() { sys::keep_resident_below(0); }
  ResidentCeiling(const ResidentCeiling&) = delete;
  ResidentCeiling& operator=(const ResidentCeiling&) = delete;
};

// The tasks of one run, with what they share.
class Runner {
 public:
  Runner(repo::Repository& repository, const RunOptions& options, const Parameters& parameters, const Report& report)
      : repository_(repository),
        options_(options),
        parameters_(parameters),
        report_(report),
        lease_(repository.storage(), repository.format(), repository.clock()),
        fenced_(make_fenced_storage(repository.storage(), lease_)) {}

  Status claim(Mode mode, std::stop_token stop);
  Status full(std::stop_token stop);
  Status quick(std::stop_token stop);
  std::vector<std::string> take_problems() { return std::move(problems_); }

 private:
  using Extra = Json;  // {"kind":…,"data":…} or null
  Status task(std::string_view name, const std::function<Result<Extra>()>& work, std::stop_token stop);
  Status still_ours(std::stop_token stop);
  void record(std::string_view name, Run run, std::stop_token stop);
  static Extra extra(const char* kind, Json data) { return Json::object({{"kind", kind}, {"data", std::move(data)}}); }
  Timestamp now() const { return repository_.clock().now(); }
  index::EpochTaskContext epoch_context() const;
  DeletionRight deletion_right(std::stop_token stop) {
    return {[this, stop] { return lease_.check(stop); }, [this, stop] { return lease_.check_in_batch(stop); }};
  }
  // Contents in use when the last GC looked; 0 = never.
  std::int64_t last_in_use() const;

  Status snapshot_gc(std::stop_token stop);
  Status rewrite(std::string_view name, const std::string& prefix, std::stop_token stop);
  Status drop_deleted(std::stop_token stop);
  Status compact_legacy(std::string_view name, std::optional<Timestamp> drop_before, std::stop_token stop);
  Status delete_blobs(std::string_view name, std::vector<std::string> prefixes, std::stop_token stop);
  Status extend_locks(std::stop_token stop);
  Status logs(std::stop_token stop);
  Status compact_and_advance(std::stop_token stop);
  Status epochs_in_full(std::stop_token stop);

  repo::Repository& repository_;
  const RunOptions& options_;
  const Parameters& parameters_;
  const Report& report_;
  Lease lease_;
  std::unique_ptr<blob::Storage> fenced_;
  Schedule schedule_;
  Timestamp start_;                                     // of the run, by the storage's clock
  std::set<std::string, std::less<>> finished_before_;  // tasks of a cut-off run that this one continues
  bool recovered_ = false;
  std::vector<std::string> problems_;
};

// The schedule is moved on before anything is done: a run that dies is not repeated at once. The storage's time of that
// write is the run's clock.
Status Runner::claim(Mode mode, std::stop_token stop) {
  TRY_ASSIGN(schedule_, load_schedule(repository_.storage(), repository_.format(), stop));
  const Timestamp local = now();
  if (const auto cut_off = find_cut_off_run(schedule_, local); cut_off && mode == Mode::full) {
    finished_before_ = cut_off->finished;
    log::debug("maintenance", "the run of {} was cut off; this one goes on where it ended", rfc3339(cut_off->start));
  }
  if (mode == Mode::full) {
    schedule_.next_full = local + parameters_.full.interval;
  }
  schedule_.next_quick = local + parameters_.quick.interval;
  TRY_ASSIGN(start_, save_schedule(repository_.storage(), repository_.format(), schedule_, stop));
  lease_.hold(schedule_);
  const std::int64_t skew = std::abs((start_ - now()).ns);
  if (skew > kSkewMax.ns) {
    return error(Code::failed_precondition,
                 "clock skew detected: local clock is out of sync with repository timestamp by more than allowed {} "
                 "(local: {} repository: {} skew: {}). Refusing to run maintenance",
                 go_duration(kSkewMax), rfc3339(now()), rfc3339(start_), go_duration({skew}));
  }
  return {};
}

// Nothing is begun by a run that has been superseded or whose owner is no longer the owner.
Status Runner::still_ours(std::stop_token stop) {
  TRY(lease_.renew(stop));
  TRY(repository_.contents().refresh(stop), "error refreshing indexes");
  TRY_ASSIGN(const Parameters now, load_parameters(repository_.manifests(), stop));
  if (now.owner != parameters_.owner) {
    return error(Code::failed_precondition, "the owner of maintenance has changed from {} to {}; this run ends",
                 parameters_.owner, now.owner);
  }
  return {};
}

// What others have recorded meanwhile stays.
void Runner::record(std::string_view name, Run run, std::stop_token stop) {
  const auto save = [&]() -> Status {
    TRY_ASSIGN(Schedule fresh, load_schedule(repository_.storage(), repository_.format(), stop));
    const bool held = lease_.still_held(fresh);
    schedule_ = std::move(fresh);
    schedule_.add(name, std::move(run));
    // While a run lives no quick cycle falls due beside it.
    if (held && schedule_.next_quick - now() < Duration{parameters_.quick.interval.ns / 2}) {
      schedule_.next_quick = now() + parameters_.quick.interval;
    }
    TRY(save_schedule(repository_.storage(), repository_.format(), schedule_, {}));
    if (held) {
      lease_.hold(schedule_);
    }
    return {};
  };
  if (Status s = save(); !s.ok()) {
    log::error("maintenance", "the run of {} could not be recorded: {}", name, s.message());
  }
}

Status Runner::task(std::string_view name, const std::function<Result<Extra>()>& work, std::stop_token stop) {
  TRY(still_ours(stop), "before {}", name);
  Run run;
  run.start = now();
  const auto checked = [&]() -> Result<Extra> {
    TRY(self_check(repository_.contents(), options_.self_check_percent, stop), "before {}", name);
    TRY_ASSIGN(Extra extra, work());
    TRY(self_check(repository_.contents(), options_.self_check_percent, stop), "after {}", name);
    return extra;
  };
  auto result = checked();
  run.end = now();
  run.success = result.ok();
  if (!result.ok()) {
    run.error = result.status().message();
  } else if (!result->is_null()) {
    run.extra = Json::array({*result});
  }
  record(name, std::move(run), stop);
  TRY(std::move(result).status(), "error running {}", name);
  return {};
}

Status Runner::snapshot_gc(std::stop_token stop) {
  return task(
      kSnapshotGc,
      [&]() -> Result<Extra> {
        const GcOptions o{start_, false, options_.memory, last_in_use()};
        TRY_ASSIGN(const GcStats stats, collect_garbage(repository_, options_.safety, o, report_, stop));
        recovered_ = stats.recovered.count > 0;
        return extra("snapshotGCStats", stats.to_json());
      },
      stop);
}

Status Runner::rewrite(std::string_view name, const std::string& prefix, std::stop_token stop) {
  return task(
      name,
      [&]() -> Result<Extra> {
        TRY_ASSIGN(RewriteStats stats, rewrite_short_packs(repository_, options_.safety,
                                                           {start_, prefix, false, options_.memory}, report_, stop));
        problems_.insert(problems_.end(), stats.problems.begin(), stats.problems.end());
        return extra("rewriteContentsStats", stats.to_json());
      },
      stop);
}

index::EpochTaskContext Runner::epoch_context() const {
  const auto p = repository_.format().current();
  index::EpochTaskContext c{*fenced_, repository_.contents().crypto(), *repository_.contents().epochs(), p->epoch,
                            p->index_version};
  c.shard_entries = options_.memory.shard_entries();
  c.scratch_directory = repository_.contents().scratch_directory();
  c.progress = [this](std::int64_t done, std::int64_t total) { report_.step("compacting indexes", done, total); };
  return c;
}

std::int64_t Runner::last_in_use() const {
  const auto runs = schedule_.runs.find(std::string(kSnapshotGc));
  if (runs == schedule_.runs.end()) {
    return 0;
  }
  for (const Run& run : runs->second) {
    for (const Json& extra : run.extra.items()) {
      if (run.success && extra["kind"].as_string() == "snapshotGCStats") {
        return extra["data"]["inUseContentCount"].as_int();
      }
    }
  }
  return 0;
}

Status Runner::drop_deleted(std::stop_token stop) {
  const auto time = safe_drop_time(schedule_, options_.safety, start_);
  if (!time) {
    return {};
  }
  if (repository_.contents().epochs() == nullptr) {
    return compact_legacy(kDropDeleted, time, stop);
  }
  return task(
      kDropDeleted,
      [&]() -> Result<Extra> {
        TRY_ASSIGN(const index::EpochState state, repository_.contents().epochs()->state(stop));
        TRY(index::write_deletion_watermark(epoch_context(), state, *time, stop));
        TRY(repository_.contents().refresh(stop));
        return extra("compactIndexesStats", Json::object({{"droppedContentsDeletedBefore", rfc3339(*time)}}));
      },
      stop);
}

Status Runner::compact_legacy(std::string_view name, std::optional<Timestamp> drop_before, std::stop_token stop) {
  return task(
      name,
      [&]() -> Result<Extra> {
        const auto p = repository_.format().current();
        index::LegacyCompactOptions o;
        o.max_pack_size = p->max_pack_size;
        o.index_version = p->index_version;
        o.drop_deleted_before = drop_before;
        o.shard_entries = options_.memory.shard_entries();
        o.scratch_directory = repository_.contents().scratch_directory();
        TRY_ASSIGN(const auto done, index::compact_legacy_indexes(*fenced_, repository_.contents().crypto(),
                                                                  repository_.contents().indexes(), o, stop));
        log::debug("maintenance", "compacted {} index blobs into {}, removed {} of former compactions",
                   done.input_count, done.output_count, done.removed_count);
        TRY(repository_.contents().refresh(stop));
        return extra(
            "compactIndexesStats",
            Json::object({{"droppedContentsDeletedBefore", rfc3339(drop_before.value_or(Timestamp::zero()))}}));
      },
      stop);
}

Status Runner::delete_blobs(std::string_view name, std::vector<std::string> prefixes, std::stop_token stop) {
  return task(
      name,
      [&]() -> Result<Extra> {
        DeletePacksOptions o;
        o.now = start_;
        o.prefixes = std::move(prefixes);
        o.list_parallelism = parameters_.list_parallelism;
        o.right = deletion_right(stop);
        TRY_ASSIGN(const DeletePacksStats stats,
                   delete_unreferenced_packs(repository_, options_.safety, o, report_, stop));
        return extra("deleteUnreferencedPacksStats", stats.to_json());
      },
      stop);
}

Status Runner::extend_locks(std::stop_token stop) {
  const format::BlobConfig config = repository_.format().blob_config();
  if (!parameters_.extend_object_locks || !config.enabled()) {
    return {};
  }
  return task(
      kExtendRetention,
      [&]() -> Result<Extra> {
        TRY_ASSIGN(const ExtendStats stats, extend_retention(repository_.storage(), config, report_, stop));
        return extra("extendBlobRetentionStats", stats.to_json());
      },
      stop);
}

Status Runner::logs(std::stop_token stop) {
  return task(
      kCleanupLogs,
      [&]() -> Result<Extra> {
        TRY_ASSIGN(const CleanupLogsStats stats, cleanup_logs(repository_.storage(), parameters_.log_retention,
                                                              {start_, false, deletion_right(stop)}, report_, stop));
        report_.say(fmt::format("Cleaned up {} logs.", stats.deleted.count));
        return extra("cleanupLogsStats", stats.to_json());
      },
      stop);
}

Status Runner::compact_and_advance(std::stop_token stop) {
  index::EpochManager& epochs = *repository_.contents().epochs();
  report_.say("Compacting an eligible uncompacted epoch...");
  // Kopia compacts one epoch a run; after a pause of months there may be many.
  for (bool first = true;; first = false) {
    TRY_ASSIGN(const index::EpochState state, epochs.state(stop));
    if (!first && !index::single_compaction_candidate(state)) {
      break;
    }
    TRY(task(
        kCompactSingle,
        [&]() -> Result<Extra> {
          TRY_ASSIGN(const auto done, index::compact_single_epoch(epoch_context(), state, stop));
          return extra("compactSingleEpochStats", done ? Json::object({{"supersededIndexBlobCount", done->blob_count},
                                                                       {"supersededIndexTotalSize", done->total_bytes},
                                                                       {"epoch", done->epoch}})
                                                       : Json());
        },
        stop));
    if (!index::single_compaction_candidate(state)) {
      break;
    }
  }
  // Ours alone, so it stands in no history.
  TRY_ASSIGN(const auto merged, index::merge_small_indexes(epoch_context(), start_, stop), "error merging index blobs");
  if (merged.merged_count > 0 || merged.removed_count > 0) {
    log::debug("maintenance", "joined {} small index blobs, removed {} that an older one covers", merged.merged_count,
               merged.removed_count);
  }
  report_.say("Advancing epoch markers...");
  return task(
      kAdvanceEpoch,
      [&]() -> Result<Extra> {
        TRY_ASSIGN(const index::EpochState state, epochs.state(stop));
        TRY_ASSIGN(const auto done, index::advance_epoch(epoch_context(), state, stop));
        return extra("advanceEpochStats",
                     Json::object({{"currentEpoch", done.current_epoch}, {"wasAdvanced", done.advanced}}));
      },
      stop);
}

Status Runner::epochs_in_full(std::stop_token stop) {
  index::EpochManager& epochs = *repository_.contents().epochs();
  // Range compaction and marker clean-up go by the write epoch from before the advance.
  TRY_ASSIGN(const index::EpochState before, epochs.state(stop));
  TRY(compact_and_advance(stop));
  const auto at_old_epoch = [&]() -> Result<index::EpochState> {
    TRY_ASSIGN(index::EpochState state, epochs.state(stop));
    state.write_epoch = before.write_epoch;
    return state;
  };
  report_.say("Attempting to compact a range of epoch indexes ...");
  TRY(task(
      kCompactRange,
      [&]() -> Result<Extra> {
        TRY_ASSIGN(const index::EpochState state, at_old_epoch());
        TRY_ASSIGN(const auto range, index::compact_range(epoch_context(), state, stop));
        return extra(
            "generateRangeCheckpointStats",
            range ? Json::object({{"rangeMinEpoch", range->first}, {"rangeMaxEpoch", range->second}}) : Json());
      },
      stop));
  report_.say("Cleaning up unneeded epoch markers...");
  TRY(task(
      kCleanupMarkers,
      [&]() -> Result<Extra> {
        TRY_ASSIGN(const index::EpochState state, at_old_epoch());
        TRY_ASSIGN(const auto done, index::clean_epoch_markers(epoch_context(), state, stop));
        const index::CleanedMarkers cleaned = done.value_or(index::CleanedMarkers());
        return extra("cleanupMarkersStats", Json::object({{"deletedEpochMarkerBlobCount", cleaned.epoch_markers},
                                                          {"deletedWatermarkBlobCount", cleaned.watermarks}}));
      },
      stop));
  report_.say("Cleaning up old index blobs which have already been compacted...");
  return task(
      kDeleteSuperseded,
      [&]() -> Result<Extra> {
        TRY_ASSIGN(const index::EpochState state, epochs.state(stop));
        TRY_ASSIGN(const auto done, index::delete_superseded_indexes(epoch_context(), state, stop));
        TRY_ASSIGN(const std::int64_t left_over, index::remove_incomplete_sets(epoch_context(), state, stop));
        if (left_over > 0) {
          log::debug("maintenance", "removed {} index blobs of compactions that were cut off", left_over);
        }
        if (!done) {
          return extra("cleanupSupersededIndexesStats", Json());
        }
        return extra("cleanupSupersededIndexesStats",
                     Json::object({{"maxReplacementTime", rfc3339(done->max_replacement_time)},
                                   {"deletedBlobCount", done->blob_count},
                                   {"deletedTotalSize", done->total_bytes}}));
      },
      stop);
}

Status Runner::full(std::stop_token stop) {
  const auto finished = [&](std::string_view task) { return finished_before_.contains(task); };
  if (!finished(kSnapshotGc)) {
    TRY(snapshot_gc(stop));
  }
  if (recovered_) {
    // A snapshot needed what was marked: nothing is made final in a run that saw this.
    problems_.push_back(
        "contents that snapshots need had been marked as deleted; they were restored, and nothing was deleted in this "
        "run");
  } else {
    if (!finished(kFullRewrite) && may_rewrite(schedule_, options_.safety, true)) {
      TRY(rewrite(kFullRewrite, "", stop));
    }
    TRY(drop_deleted(stop));
    if (!finished(kFullDeleteBlobs) && may_delete_blobs(schedule_, options_.safety, now())) {
      TRY(delete_blobs(kFullDeleteBlobs, {"p", "q", "s"}, stop));
    }
  }
  TRY(extend_locks(stop));
  if (repository_.contents().epochs() != nullptr) {
    TRY(epochs_in_full(stop));
  }
  return logs(stop);
}

Status Runner::quick(std::stop_token stop) {
  if (repository_.contents().epochs() != nullptr) {
    return compact_and_advance(stop);
  }
  if (may_rewrite(schedule_, options_.safety, false)) {
    TRY(rewrite(kQuickRewrite, "q", stop));
  }
  if (may_delete_blobs(schedule_, options_.safety, now())) {
    const auto full_rewrite = schedule_.last_success({kFullRewrite});
    const auto quick_rewrite = schedule_.last_success({kQuickRewrite});
    const bool after_full = full_rewrite && (!quick_rewrite || *full_rewrite > *quick_rewrite);
    TRY(after_full ? delete_blobs(kFullDeleteBlobs, {"p", "q", "s"}, stop)
                   : delete_blobs(kQuickDeleteBlobs, {"q"}, stop));
  }
  TRY(compact_legacy(kIndexCompaction, std::nullopt, stop));
  return logs(stop);
}

Result<std::optional<Timestamp>> former_owner_until(repo::Repository& repository, const Parameters& parameters,
                                                    const Schedule& schedule, std::stop_token stop) {
  if (parameters.former_owner.empty() || schedule.runs.empty()) {
    return std::optional<Timestamp>();
  }
  TRY_ASSIGN(const auto stored, repository.storage().metadata(BlobId(kScheduleBlob), stop), "error reading {}",
             kScheduleBlob);
  return wait_for_former_owner(parameters, schedule, stored.timestamp, repository.clock().now());
}

}  // namespace

std::string client_identity(const repo::Repository& repository) {
  return repository.client().username + '@' + repository.client().hostname;
}

Mode due_mode(const Parameters& parameters, const Schedule& schedule, const std::string& client, Timestamp now) {
  if (parameters.owner != client) {
    return Mode::none;
  }
  const auto cut_off = find_cut_off_run(schedule, now);
  const bool left_alone = cut_off && now - cut_off->last_record > kQuietBeforeContinuing;
  if (parameters.full.enabled && (now >= schedule.next_full || left_alone)) {
    return Mode::full;
  }
  if (parameters.quick.enabled && now >= schedule.next_quick) {
    return Mode::quick;
  }
  return Mode::none;
}

Result<RunResult> run_maintenance(repo::Repository& repository, const RunOptions& options, const Report& report,
                                  std::stop_token stop) {
  if (repository.read_only()) {
    return error(Code::permission_denied, "not running maintenance on read-only repository connection");
  }
  TRY_ASSIGN(const Parameters parameters, load_parameters(repository.manifests(), stop));
  const std::string me = client_identity(repository);
  if (!options.force && parameters.owner != me) {
    return error(Code::permission_denied, "maintenance must be run by designated user: {}", parameters.owner);
  }
  RunResult result;
  result.mode = options.mode;
  TRY_ASSIGN(const Schedule schedule, load_schedule(repository.storage(), repository.format(), stop));
  if (options.mode == Mode::automatic) {
    result.mode = due_mode(parameters, schedule, options.force ? parameters.owner : me, repository.clock().now());
  }
  if (result.mode == Mode::none) {
    return result;
  }
  if (!options.force) {
    TRY_ASSIGN(const auto until, former_owner_until(repository, parameters, schedule, stop));
    if (until && options.mode == Mode::automatic) {
      log::debug("maintenance", "{} may still be running maintenance; waiting until {}", parameters.former_owner,
                 rfc3339(*until));
      result.mode = Mode::none;
      return result;
    }
    if (until) {
      return error(Code::failed_precondition,
                   "the former owner {} may still be running maintenance; run again after {}, or with --force when it "
                   "surely is not",
                   parameters.former_owner, display_time(*until));
    }
  }
  sys::FileLock lock;
  if (!repository.config_path().empty()) {
    auto taken = sys::FileLock::try_lock(repository.config_path() + ".mlock");
    if (taken.code() == Code::conflict) {
      log::debug("maintenance", "another process of this machine is running maintenance");
      result.mode = Mode::none;
      return result;
    }
    TRY(taken, "error acquiring maintenance lock");
    lock = std::move(*taken);
  }
  const ResidentCeiling ceiling(options.memory);
  Runner runner(repository, options, parameters, report);
  const char* word = result.mode == Mode::full ? "full" : "quick";
  report.say(fmt::format("Running {} maintenance...", word));
  const auto work = [&]() -> Status {
    TRY(runner.claim(result.mode, stop));
    TRY(repository.contents().refresh(stop), "error refreshing indexes before maintenance");
    return result.mode == Mode::full ? runner.full(stop) : runner.quick(stop);
  };
  Status done = work();
  report.say(fmt::format("Finished {} maintenance.", word));
  TRY(std::move(done));
  result.problems = runner.take_problems();
  return result;
}

}  // namespace cairn::maintenance
