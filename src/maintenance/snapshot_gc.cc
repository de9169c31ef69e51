#include "maintenance/snapshot_gc.h"

#include <algorithm>
#include <mutex>

#include "base/log.h"
#include "base/task_group.h"
#include "base/units.h"
#include "snapshot/store.h"
#include "snapshot/tree_walk.h"

namespace cairn::maintenance {
namespace {

// A killed run loses the marks since the last flush; each flush leaves index blobs.
constexpr std::int64_t kFlushEvery = 500'000;
constexpr std::int64_t kProgressEvery = 4096;
constexpr std::size_t kNamedMax = 20;

std::int64_t size_of(const content::ContentInfo& i) { return i.packed_length; }

// Every content that a snapshot needs. Thread-safe.
class UsedContents {
 public:
  UsedContents(const content::ContentManager& contents, const MemoryBudget& budget)
      : sorter_(contents, budget), recent_(kRecent) {}
  Status add(const ContentId& id) {
    const std::lock_guard lock(mutex_);
    // Unchanged files are met again in every version of their directory, often soon.
    ContentId& slot = recent_[id.hash_code() % kRecent];
    if (slot == id) {
      return {};
    }
    slot = id;
    ++added_;
    return sorter_.add(id);
  }
  std::int64_t added() const {
    const std::lock_guard lock(mutex_);
    return added_;
  }
  Result<sys::SortedRecords> finish() {
    recent_ = {};
    return sorter_.finish();
  }

 private:
  static constexpr std::size_t kRecent = 64 << 10;
  mutable std::mutex mutex_;
  ContentIdSorter sorter_;
  std::vector<ContentId> recent_;
  std::int64_t added_ = 0;
};

class Collector {
 public:
  Collector(repo::Repository& repository, const Safety& safety, const GcOptions& options, const Report& report)
      : repository_(repository), safety_(safety), options_(options), report_(report) {}

  Result<GcStats> run(std::stop_token stop) {
    TRY_ASSIGN(const sys::SortedRecords used, find_used(stop));
    ContentIdSorter unused(repository_.contents(), options_.memory);
    ContentIdSorter marked(repository_.contents(), options_.memory);
    TRY(sort_out(used, unused, marked, stop));
    if (!options_.dry_run) {
      TRY_ASSIGN(const sys::SortedRecords to_recover, marked.finish());
      TRY(recover(to_recover, stop));
      TRY_ASSIGN(const sys::SortedRecords to_mark, unused.finish());
      TRY(mark(to_mark, stop));
    }
    return stats_;
  }

 private:
  Result<sys::SortedRecords> find_used(std::stop_token stop);
  // Counts every content; leaves those to be marked in `unused`, those whose mark was wrong in `marked`.
  Status sort_out(const sys::SortedRecords& used, ContentIdSorter& unused, ContentIdSorter& marked,
                  std::stop_token stop);
  Status recover(const sys::SortedRecords& to_recover, std::stop_token stop);
  Status mark(const sys::SortedRecords& unused, std::stop_token stop);
  Status walk(const std::function<Status(const ContentId&, const std::string& path)>& on_content, std::stop_token stop);
  Status name_snapshots(const sys::SortedRecords& marked, std::stop_token stop);

  repo::Repository& repository_;
  const Safety& safety_;
  const GcOptions& options_;
  const Report& report_;
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
  const auto visit = [&](const snapshot::DirEntryView& entry, const std::string& path,
                         std::stop_token inner) -> Status {
    return repository_.objects()
        .verify(
            entry.obj, [&](const ContentId& id) { return on_content(id, path); }, inner)
        .with_frame("error verifying " + path);
  };
  snapshot::TreeWalker::Options options;
  options.forget_plain = true;
  options.parallel = options_.memory.walkers(4 * cpu_count());
  snapshot::TreeWalker walker(repository_.objects(), options, visit);
  return walker.walk(std::move(roots), stop).with_frame("unable to find in-use content");
}

Result<sys::SortedRecords> Collector::find_used(std::stop_token stop) {
  UsedContents used(repository_.contents(), options_.memory);
  TRY(walk(
      [&](const ContentId& id, const std::string&) {
        TRY(used.add(id));
        if (const std::int64_t n = used.added(); n % kProgressEvery == 0) {
          report_.step("finding used contents", n, std::max(options_.expected_in_use, n));
        }
        return Status();
      },
      stop));
  return used.finish();
}

Status Collector::sort_out(const sys::SortedRecords& used, ContentIdSorter& unused, ContentIdSorter& marked,
                           std::stop_token stop) {
  std::int64_t seen = 0;
  const auto total = static_cast<std::int64_t>(repository_.contents().count());
  std::size_t next = 0;  // both are in id order
  const auto is_used = [&](const ContentId& id) {
    while (next < used.size() && content_id_of(used[next]) < id) {
      ++next;
    }
    return next < used.size() && content_id_of(used[next]) == id;
  };
  const auto sort_one = [&](const content::ContentInfo& i) -> Status {
    if (++seen % kProgressEvery == 0) {
      report_.step("looking for unused contents", seen, std::max(total, seen));
    }
    if (i.id.prefix == 'm') {
      stats_.in_use_system.add(size_of(i));
    } else if (is_used(i.id)) {
      stats_.in_use.add(size_of(i));
      if (i.deleted) {
        stats_.recovered.add(size_of(i));
        return marked.add(i.id);
      }
    } else if (options_.now - Timestamp::from_seconds(i.timestamp_seconds) < safety_.min_content_age) {
      stats_.unreferenced_recent.add(size_of(i));
    } else {
      stats_.unreferenced.add(size_of(i));
      if (!i.deleted) {
        stats_.deleted.add(size_of(i));
        return unused.add(i.id);
      }
    }
    return {};
  };
  content::IterateOptions all;
  all.include_deleted = true;
  return repository_.contents().iterate(all, sort_one, stop).with_frame("error iterating contents");
}

Status Collector::recover(const sys::SortedRecords& to_recover, std::stop_token stop) {
  if (to_recover.size() == 0) {
    return {};
  }
  TRY(name_snapshots(to_recover, stop));
  const auto total = static_cast<std::int64_t>(to_recover.size());
  for (std::int64_t n = 0; n < total; ++n) {
    const ContentId id = content_id_of(to_recover[static_cast<std::size_t>(n)]);
    TRY_ASSIGN(const content::ContentInfo info, repository_.contents().info(id, stop));
    TRY_ASSIGN(const Buffer plain, repository_.contents().read(id, stop), "error reading content {}", id.text());
    TRY(repository_.contents().write(plain.view(), id.prefix, info.compression, stop), "error undeleting content {}",
        id.text());
    report_.step("taking back marks of used contents", n + 1, total);
  }
  return repository_.contents().flush(stop).with_frame("error flushing");
}

// Contents that a snapshot refers to had been marked: worth knowing where.
Status Collector::name_snapshots(const sys::SortedRecords& marked, std::stop_token stop) {
  std::mutex mutex;
  std::size_t named = 0;
  return walk(
      [&](const ContentId& id, const std::string& path) -> Status {
        Byte record[1 + kHashSizeMax];
        record[0] = id.prefix;
        std::memcpy(record + 1, id.hash.data(), id.size);
        if (marked.contains(ByteView{record, id.size + 1U})) {
          const std::lock_guard lock(mutex);
          if (++named <= kNamedMax) {
            log::warning("maintenance", "content {} was marked deleted but is needed by {}", id.text(), path);
          }
        }
        return {};
      },
      stop);
}

Status Collector::mark(const sys::SortedRecords& unused, std::stop_token stop) {
  const auto total = static_cast<std::int64_t>(unused.size());
  for (std::int64_t n = 0; n < total; ++n) {
    const ContentId id = content_id_of(unused[static_cast<std::size_t>(n)]);
    TRY(repository_.contents().remove(id, stop), "error marking content {}", id.text());
    if ((n + 1) % kProgressEvery == 0) {
      report_.step("marking unused contents", n + 1, total);
    }
    if ((n + 1) % kFlushEvery == 0) {
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
