#include "maintenance/snapshot_gc.h"

#include <atomic>
#include <mutex>

#include "base/log.h"
#include "base/units.h"
#include "snapshot/store.h"
#include "snapshot/tree_walk.h"

namespace cairn::maintenance {
namespace {

constexpr std::int64_t kFlushEvery = 100'000;
constexpr std::int64_t kProgressEvery = 4096;
constexpr std::size_t kNamedMax = 20;

std::int64_t size_of(const content::ContentInfo& i) { return i.packed_length; }

// Every content that a snapshot needs. Ids only: 16 bytes each.
class UsedContents {
 public:
  bool add(const ContentId& id) { return ids_.insert(object::ObjectId::direct(id)); }
  bool contains(const ContentId& id) const { return ids_.contains(object::ObjectId::direct(id)); }

 private:
  snapshot::ObjectIdSet ids_;
};

class Collector {
 public:
  Collector(repo::Repository& repository, const Safety& safety, const GcOptions& options, const Report& report)
      : repository_(repository), safety_(safety), options_(options), report_(report) {}

  Result<GcStats> run(std::stop_token stop) {
    TRY(find_used(stop));
    std::vector<ContentId> unused;
    TRY(sort_out(unused, stop));
    if (!options_.dry_run) {
      TRY(recover(stop));
      TRY(mark(unused, stop));
    }
    return stats_;
  }

 private:
  Status find_used(std::stop_token stop);
  // Counts every content; leaves those to be marked in `unused`.
  Status sort_out(std::vector<ContentId>& unused, std::stop_token stop);
  Status recover(std::stop_token stop);
  Status mark(const std::vector<ContentId>& unused, std::stop_token stop);
  Status walk(const std::function<Status(const ContentId&, const std::string& path)>& on_content, std::stop_token stop);
  Status name_snapshots(std::stop_token stop);

  repo::Repository& repository_;
  const Safety& safety_;
  const GcOptions& options_;
  const Report& report_;
  UsedContents used_;
  std::vector<content::ContentInfo> to_recover_;
  GcStats stats_;
};

Status Collector::walk(const std::function<Status(const ContentId&, const std::string& path)>& on_content,
                       std::stop_token stop) {
  // A manifest that cannot be parsed may refer to anything, so its existence ends the run.
  snapshot::SnapshotFilter all;
  all.strict = true;
  TRY_ASSIGN(const auto snapshots, snapshot::list_snapshots(repository_.manifests(), all, stop),
             "unable to load snapshots");
  std::vector<snapshot::TreeWalker::Root> roots;
  for (const snapshot::SnapshotManifest& m : snapshots) {
    if (!m.root || m.root->obj.content.empty()) {
      return error(Code::corrupt, "snapshot {} of {} has no root; delete or fix it before maintenance", m.id,
                   m.source.text());
    }
    roots.push_back({fmt::format("{}@{}", m.source.text(), rfc3339(m.start_time)), *m.root});
  }
  std::atomic<std::int64_t> objects{0};
  const auto visit = [&](const snapshot::DirEntryView& entry, const std::string& path,
                         std::stop_token inner) -> Status {
    if (const std::int64_t n = ++objects; n % kProgressEvery == 0) {
      report_.step("finding used contents", n, 0);
    }
    return repository_.objects()
        .verify(
            entry.obj, [&](const ContentId& id) { return on_content(id, path); }, inner)
        .with_frame("error verifying " + path);
  };
  snapshot::TreeWalker walker(repository_.objects(), {}, visit);
  return walker.walk(std::move(roots), stop).with_frame("unable to find in-use content");
}

Status Collector::find_used(std::stop_token stop) {
  return walk(
      [&](const ContentId& id, const std::string&) {
        used_.add(id);
        return Status();
      },
      stop);
}

Status Collector::sort_out(std::vector<ContentId>& unused, std::stop_token stop) {
  std::int64_t seen = 0;
  const auto sort_one = [&](const content::ContentInfo& i) -> Status {
    if (++seen % kProgressEvery == 0) {
      report_.step("looking for unused contents", seen, 0);
    }
    if (i.id.prefix == 'm') {
      stats_.in_use_system.add(size_of(i));
    } else if (used_.contains(i.id)) {
      stats_.in_use.add(size_of(i));
      if (i.deleted) {
        to_recover_.push_back(i);
        stats_.recovered.add(size_of(i));
      }
    } else if (options_.now - Timestamp::from_seconds(i.timestamp_seconds) < safety_.min_content_age) {
      stats_.unreferenced_recent.add(size_of(i));
    } else {
      stats_.unreferenced.add(size_of(i));
      if (!i.deleted) {
        stats_.deleted.add(size_of(i));
        unused.push_back(i.id);
      }
    }
    return {};
  };
  content::IterateOptions all;
  all.include_deleted = true;
  return repository_.contents().iterate(all, sort_one, stop).with_frame("error iterating contents");
}

Status Collector::recover(std::stop_token stop) {
  if (to_recover_.empty()) {
    return {};
  }
  TRY(name_snapshots(stop));
  for (const content::ContentInfo& i : to_recover_) {
    TRY_ASSIGN(const Buffer plain, repository_.contents().read(i.id, stop), "error reading content {}", i.id.text());
    TRY(repository_.contents().write(plain.view(), i.id.prefix, i.compression, stop), "error undeleting content {}",
        i.id.text());
  }
  return repository_.contents().flush(stop).with_frame("error flushing");
}

// Contents that a snapshot refers to had been marked: worth knowing where.
Status Collector::name_snapshots(std::stop_token stop) {
  UsedContents marked;
  for (const content::ContentInfo& i : to_recover_) {
    marked.add(i.id);
  }
  std::mutex mutex;
  std::size_t named = 0;
  return walk(
      [&](const ContentId& id, const std::string& path) -> Status {
        if (marked.contains(id)) {
          const std::lock_guard lock(mutex);
          if (++named <= kNamedMax) {
            log::warning("maintenance", "content {} was marked deleted but is needed by {}", id.text(), path);
          }
        }
        return {};
      },
      stop);
}

Status Collector::mark(const std::vector<ContentId>& unused, std::stop_token stop) {
  const auto total = static_cast<std::int64_t>(unused.size());
  for (std::int64_t n = 0; n < total; ++n) {
    const ContentId& id = unused[static_cast<std::size_t>(n)];
    TRY(repository_.contents().remove(id, stop), "error marking content {}", id.text());
    if ((n + 1) % kFlushEvery == 0) {
      report_.step("marking unused contents", n + 1, total);
      TRY(repository_.contents().flush(stop), "error flushing");
    }
  }
  return repository_.flush(stop).with_frame("error flushing");
}

}  // namespace

Json GcStats::to_json() const {
  Json out = Json::object();
  const auto put = [&](const std::string& name, const CountAndSize& v) {
    out.set(name + "Count", v.count);
    out.set(name + "Size", v.bytes);
  };
  put("unreferencedContent", unreferenced);
  put("deletedContent", deleted);
  put("unreferencedRecentContent", unreferenced_recent);
  put("inUseContent", in_use);
  put("inUseSystemContent", in_use_system);
  put("recoveredContent", recovered);
  return out;
}

Result<GcStats> collect_garbage(repo::Repository& repository, const Safety& safety, const GcOptions& options,
                                const Report& report, std::stop_token stop) {
  Collector collector(repository, safety, options, report);
  TRY_ASSIGN(const GcStats stats, collector.run(stop));
  const auto found = [](const CountAndSize& v, const char* what) {
    return fmt::format("GC found {} {} ({})", v.count, what, bytes_text(v.bytes));
  };
  report.say(found(stats.unreferenced, "unused contents"));
  report.say(found(stats.unreferenced_recent, "unused contents that are too recent to delete"));
  report.say(found(stats.in_use, "in-use contents"));
  report.say(found(stats.in_use_system, "in-use system-contents"));
  report.say(fmt::format("GC undeleted {} contents ({})", stats.recovered.count, bytes_text(stats.recovered.bytes)));
  return stats;
}

}  // namespace cairn::maintenance
