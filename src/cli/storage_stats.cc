#include "cli/storage_stats.h"

#include <mutex>
#include <unordered_set>

#include "snapshot/tree_walk.h"

namespace cairn::cli {

Json StorageUsage::to_json() const {
  return Json::object({{"objectBytes", object_bytes},
                       {"originalContentBytes", original_content_bytes},
                       {"packedContentBytes", packed_content_bytes},
                       {"fileObjects", file_objects},
                       {"dirObjects", directory_objects},
                       {"contents", contents}});
}

Json StorageStats::to_json() const {
  return Json::object({{"newData", new_data.to_json()}, {"runningTotal", running_total.to_json()}});
}

struct StorageStatsCounter::Impl {
  explicit Impl(repo::Repository& r)
      : repository(r),
        walker(r.objects(), {}, [this](const snapshot::DirEntryView& entry, const std::string&, std::stop_token stop) {
          return count(entry, stop);
        }) {}

  // Directories count as objects and contents, their bytes do not.
  Status count(const snapshot::DirEntryView& entry, std::stop_token stop) {
    const bool directory = entry.type == snapshot::EntryType::directory;
    StorageUsage found;
    (directory ? found.directory_objects : found.file_objects) = 1;
    found.object_bytes = directory ? 0 : entry.size;
    TRY(repository.objects().verify(
        entry.obj, [&](const ContentId& id) { return count_content(id, directory, found, stop); }, stop));
    const std::lock_guard lock(mutex);
    add(fresh, found);
    return {};
  }

  Status count_content(const ContentId& id, bool directory, StorageUsage& found, const std::stop_token& stop) {
    {
      const std::lock_guard lock(mutex);
      if (!seen.insert(id).second) {
        return {};
      }
    }
    TRY_ASSIGN(const content::ContentInfo info, repository.contents().info(id, stop));
    ++found.contents;
    if (!directory) {
      found.original_content_bytes += info.original_length;
      found.packed_content_bytes += info.packed_length;
    }
    return {};
  }

  static void add(StorageUsage& to, const StorageUsage& more) {
    to.object_bytes += more.object_bytes;
    to.original_content_bytes += more.original_content_bytes;
    to.packed_content_bytes += more.packed_content_bytes;
    to.file_objects += more.file_objects;
    to.directory_objects += more.directory_objects;
    to.contents += more.contents;
  }

  repo::Repository& repository;
  std::mutex mutex;
  std::unordered_set<ContentId> seen;
  StorageUsage fresh, total;
  snapshot::TreeWalker walker;
};

StorageStatsCounter::StorageStatsCounter(repo::Repository& repository) : impl_(std::make_unique<Impl>(repository)) {}
StorageStatsCounter::~StorageStatsCounter() = default;

Result<StorageStats> StorageStatsCounter::add(const snapshot::DirEntry& root, std::stop_token stop) {
  impl_->fresh = {};
  std::vector<snapshot::TreeWalker::Root> roots;
  roots.push_back({.path = "", .entry = root});
  TRY(impl_->walker.walk(std::move(roots), stop));
  Impl::add(impl_->total, impl_->fresh);
  return StorageStats{impl_->fresh, impl_->total};
}

}  // namespace cairn::cli
