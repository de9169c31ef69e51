#include "maintenance/blob_tasks.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <unordered_map>

#include "base/task_group.h"
#include "content/session.h"
#include "maintenance/memory.h"

namespace cairn::maintenance {
namespace {

using blob::BlobMetadata;

constexpr std::string_view kLogPrefix = "_log_";
constexpr unsigned kDeleteParallelism = 16;
constexpr std::int64_t kProgressEvery = 4096;
// Deletes for one look at the lease: one request more in a hundred.
constexpr std::size_t kDeleteBatch = 100;
// A blob as young as the start of the maintenance was written beside it.
constexpr Duration kCutOffMargin = seconds(1);

// "p<hex>-<session>[-…]": the first part after the pack's name that starts with s.
std::string_view session_of(std::string_view blob) {
  std::size_t at = blob.find('-');
  while (at != std::string_view::npos) {
    const std::string_view rest = blob.substr(at + 1);
    const std::string_view part = rest.substr(0, rest.find('-'));
    if (part.starts_with('s')) {
      return part;
    }
    at = blob.find('-', at + 1);
  }
  return {};
}

Result<PackTable> referenced_packs(content::ContentManager& contents, const Report& report, std::stop_token stop) {
  PackTable packs;
  content::IterateOptions all;
  all.include_deleted = true;
  std::string last;
  std::int64_t seen = 0;
  const auto total = static_cast<std::int64_t>(contents.count());
  TRY(contents.iterate(
          all,
          [&](const content::ContentInfo& i) -> Status {
            if (++seen % kProgressEvery == 0) {
              report.step("looking for unused packs", seen, std::max(seen, total));
            }
            if (i.pack.text != last) {
              last = i.pack.text;
              packs[last] = 1;
            }
            return {};
          },
          stop),
      "error iterating contents");
  return packs;
}

// In batches: the right to delete is looked up before each, and again within one that takes long.
Status remove_all(blob::Storage& storage, const std::vector<BlobMetadata>& blobs, unsigned parallel,
                  const DeletionRight& right, CountAndSize& deleted, const Report& report, const char* phase,
                  std::stop_token stop) {
  std::mutex mutex;
  for (std::size_t begin = 0; begin < blobs.size(); begin += kDeleteBatch) {
    if (right.before_batch) {
      TRY(right.before_batch());
    }
    const std::size_t count = std::min(kDeleteBatch, blobs.size() - begin);
    TRY(parallel_for(count, parallel, stop, [&](std::size_t n, std::stop_token inner) -> Status {
      const BlobMetadata& b = blobs[begin + n];
      if (right.before_each) {
        TRY(right.before_each());
      }
      TRY(storage.remove(b.id, inner), "error deleting {}", b.id.text);
      const std::lock_guard lock(mutex);
      deleted.add(b.length);
      report.step(phase, deleted.count, static_cast<std::int64_t>(blobs.size()));
      return {};
    }));
  }
  return {};
}

}  // namespace

Json DeletePacksStats::to_json() const {
  return Json::object({{"unreferencedPackCount", unreferenced.count},
                       {"unreferencedTotalSize", unreferenced.bytes},
                       {"deletedPackCount", deleted.count},
                       {"deletedTotalSize", deleted.bytes},
                       {"retainedPackCount", retained.count},
                       {"retainedTotalSize", retained.bytes}});
}

Result<DeletePacksStats> delete_unreferenced_packs(repo::Repository& repository, const Safety& safety,
                                                   const DeletePacksOptions& options, const Report& report,
                                                   std::stop_token stop) {
  blob::Storage& storage = repository.storage();
  const Timestamp cut_off = options.now + kCutOffMargin;
  // Order matters: what is listed as a pack before the index is read cannot have become referenced unseen, for it is
  // younger than the age that protects it.
  TRY_ASSIGN(const auto sessions, content::list_sessions(storage, repository.contents().crypto(), stop),
             "unable to load active sessions");
  std::unordered_map<std::string, Timestamp> live;
  for (const content::SessionInfo& s : sessions) {
    if (cut_off - s.checkpoint_time < safety.session_expiration_age) {
      live.emplace(s.id, s.checkpoint_time);
    }
  }
  TRY(repository.contents().refresh(stop));
  TRY_ASSIGN(const PackTable referenced, referenced_packs(repository.contents(), report, stop));
  DeletePacksStats stats;
  std::vector<BlobMetadata> orphans;
  const auto consider = [&](const BlobMetadata& b) -> Status {
    if (referenced.find(b.id.text) != nullptr) {
      return {};
    }
    stats.unreferenced.add(b.length);
    const bool young = b.timestamp > cut_off || cut_off - b.timestamp < safety.pack_delete_min_age;
    if (young || live.contains(std::string(session_of(b.id.text)))) {
      stats.retained.add(b.length);
    } else {
      orphans.push_back(b);
    }
    return {};
  };
  for (const std::string& prefix : options.prefixes) {
    TRY(storage.list(prefix, consider, stop), "error listing blobs");
  }
  if (!options.dry_run) {
    const auto parallel =
        options.list_parallelism > 0 ? static_cast<unsigned>(options.list_parallelism) : kDeleteParallelism;
    TRY(remove_all(storage, orphans, parallel, options.right, stats.deleted, report, "deleting unused packs", stop));
  }
  return stats;
}

Json CleanupLogsStats::to_json() const {
  return Json::object({{"toDeleteBlobCount", to_delete.count},
                       {"toDeleteBlobSize", to_delete.bytes},
                       {"deletedBlobCount", deleted.count},
                       {"deletedBlobSize", deleted.bytes},
                       {"retainedBlobCount", retained.count},
                       {"retainedBlobSize", retained.bytes}});
}

Result<CleanupLogsStats> cleanup_logs(blob::Storage& storage, const LogRetention& retention, const LogCleanup& options,
                                      const Report& report, std::stop_token stop) {
  TRY_ASSIGN(std::vector<BlobMetadata> logs, storage.list_all(kLogPrefix, stop), "error listing logs");
  std::ranges::sort(logs, [](const auto& a, const auto& b) { return a.timestamp > b.timestamp; });
  CleanupLogsStats stats;
  std::vector<BlobMetadata> doomed;
  for (const BlobMetadata& b : logs) {
    const bool too_big = retention.max_total_bytes > 0 && stats.retained.bytes + b.length > retention.max_total_bytes;
    const bool too_many = retention.max_count > 0 && stats.retained.count >= retention.max_count;
    const bool too_old = retention.max_age.ns > 0 && options.now - b.timestamp > retention.max_age;
    if (!doomed.empty() || too_big || too_many || too_old) {
      doomed.push_back(b);
      stats.to_delete.add(b.length);
    } else {
      stats.retained.add(b.length);
    }
  }
  if (!options.dry_run) {
    TRY(remove_all(storage, doomed, kDeleteParallelism, options.right, stats.deleted, report, "deleting old logs",
                   stop));
  }
  return stats;
}

Json ExtendStats::to_json() const {
  return Json::object(
      {{"toExtendBlobCount", to_extend}, {"extendedBlobCount", extended}, {"retentionPeriod", go_duration(period)}});
}

Result<ExtendStats> extend_retention(blob::Storage& storage, const format::BlobConfig& config, const Report& report,
                                     std::stop_token stop) {
  ExtendStats stats;
  stats.period = config.retention_period;
  std::vector<BlobMetadata> blobs;
  for (const char* prefix : {"n", "x", format::kFormatBlobId, format::kBlobConfigBlobId, "p", "q"}) {
    TRY(storage.list(
            prefix,
            [&](const BlobMetadata& b) {
              blobs.push_back(b);
              return Status();
            },
            stop),
        "error listing blobs");
  }
  stats.to_extend = static_cast<std::int64_t>(blobs.size());
  std::atomic<std::int64_t> done{0};
  TRY(parallel_for(blobs.size(), kDeleteParallelism, stop, [&](std::size_t n, std::stop_token inner) -> Status {
    TRY(storage.extend_retention(blobs[n].id, config.retention_mode, config.retention_period, inner),
        "error extending retention of {}", blobs[n].id.text);
    report.step("extending object locks", ++done, stats.to_extend);
    return {};
  }));
  stats.extended = done;
  return stats;
}

}  // namespace cairn::maintenance
