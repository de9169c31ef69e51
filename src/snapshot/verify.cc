#include "snapshot/verify.h"

#include <mutex>

#include "base/guarded.h"
#include "base/task_group.h"
#include "snapshot/object_check.h"
#include "snapshot/resolve.h"
#include "snapshot/store.h"
#include "snapshot/tree_walk.h"
#include "snapshot/verify_contents.h"

namespace cairn::snapshot {
namespace {

constexpr std::int64_t kProgressIntervalNs = 1'000'000'000;

class Verification {
 public:
  Verification(repo::Repository& repository, const VerifyOptions& options, const VerifyCallbacks& callbacks)
      : repository_(repository), options_(options), callbacks_(callbacks), check_(repository) {}

  Status run(VerifyResult& result, std::stop_token stop);

 private:
  Status list_blobs(std::stop_token stop);
  Result<std::vector<TreeWalker::Root>> roots(std::stop_token stop);
  Status add_snapshots(std::vector<TreeWalker::Root>& out, std::stop_token stop);
  Result<std::vector<SnapshotManifest>> snapshots_by_id(std::stop_token stop);
  Status add_objects(std::vector<TreeWalker::Root>& out, std::stop_token stop);
  Status visit(const DirEntryView& entry, const std::string& path, ContentVerifier& contents, std::stop_token stop);
  Status verify_file(const DirEntryView& entry, const std::string& path, ContentVerifier& contents,
                     std::stop_token stop);
  VerifyStats stats() const;
  void progress();
  void line(const std::string& path, const Status& s) const {
    if (callbacks_.on_error) {
      callbacks_.on_error("error processing " + path + ": " + s.message());
    }
  }

  repo::Repository& repository_;
  const VerifyOptions& options_;
  const VerifyCallbacks& callbacks_;
  ObjectCheck check_;
  VerifyStats expected_;
  std::atomic<std::int64_t> objects_{0}, bytes_{0}, read_files_{0}, read_bytes_{0};
  std::atomic<std::int64_t> last_progress_ns_{0};
  std::mutex progress_mutex_;
};

Status Verification::list_blobs(std::stop_token stop) {
  if (callbacks_.on_list_start) {
    callbacks_.on_list_start();
  }
  TRY_ASSIGN(const std::int64_t count, check_.list_blobs(stop));
  if (callbacks_.on_listed) {
    callbacks_.on_listed(count);
  }
  return {};
}

Result<std::vector<SnapshotManifest>> Verification::snapshots_by_id(std::stop_token stop) {
  std::vector<SnapshotManifest> found;
  for (const std::string& id : options_.snapshot_ids) {
    auto m = load_snapshot(repository_.manifests(), id, stop);
    if (m.ok()) {
      found.push_back(std::move(*m));
    } else if (callbacks_.on_error) {
      callbacks_.on_error(fmt::format("unable to parse snapshot manifest {}: {}", id, m.status().message()));
    }
  }
  if (found.size() != options_.snapshot_ids.size()) {
    return error(Code::not_found, "found {} of the {} requested snapshot IDs to verify", found.size(),
                 options_.snapshot_ids.size());
  }
  return found;
}

Status Verification::add_snapshots(std::vector<TreeWalker::Root>& out, std::stop_token stop) {
  std::vector<SnapshotManifest> snapshots;
  const bool everything = options_.snapshot_ids.empty() && options_.sources.empty() && options_.directory_ids.empty() &&
                          options_.file_ids.empty();
  if (!options_.snapshot_ids.empty()) {
    TRY_ASSIGN(snapshots, snapshots_by_id(stop));
  }
  if (everything) {
    TRY_ASSIGN(snapshots, list_snapshots(repository_.manifests(), {}, stop));
  }
  const auto& client = repository_.client();
  for (const std::string& text : options_.sources) {
    SnapshotFilter filter;
    TRY_ASSIGN(filter.source, SourceInfo::parse(text, client.hostname, client.username, options_.working_directory));
    TRY_ASSIGN(auto some, list_snapshots(repository_.manifests(), filter, stop));
    snapshots.insert(snapshots.end(), std::make_move_iterator(some.begin()), std::make_move_iterator(some.end()));
  }
  for (SnapshotManifest& m : snapshots) {
    if (!m.root) {
      continue;
    }
    if (m.root->summ) {
      expected_.expected_files += m.root->summ->files;
      expected_.expected_bytes += m.root->summ->size;
      expected_.expected_objects += m.root->summ->files + m.root->summ->dirs + m.root->summ->symlinks;
    }
    out.push_back({m.source.text() + "@" + display_time(m.start_time), std::move(*m.root)});
  }
  return {};
}

Status Verification::add_objects(std::vector<TreeWalker::Root>& out, std::stop_token stop) {
  for (const std::string& text : options_.directory_ids) {
    DirEntry e;
    TRY_ASSIGN(e.obj, resolve_object_id(repository_.objects(), text, stop), "unable to parse: \"{}\"", text);
    e.type = EntryType::directory;
    out.push_back({text, std::move(e)});
  }
  for (const std::string& text : options_.file_ids) {
    TRY_ASSIGN(const object::ObjectId id, resolve_object_id(repository_.objects(), text, stop),
               "unable to parse: \"{}\"", text);
    auto e = entry_of_object(repository_.objects(), id, stop);
    if (!e.ok()) {
      // Its errors are found when it is read.
      DirEntry unread;
      unread.obj = id;
      unread.type = EntryType::file;
      out.push_back({text, std::move(unread)});
      continue;
    }
    out.push_back({text, std::move(*e)});
  }
  return {};
}

Result<std::vector<TreeWalker::Root>> Verification::roots(std::stop_token stop) {
  std::vector<TreeWalker::Root> out;
  TRY(add_snapshots(out, stop));
  TRY(add_objects(out, stop));
  return out;
}

Status Verification::verify_file(const DirEntryView& entry, const std::string& path, ContentVerifier& contents,
                                 std::stop_token stop) {
  TRY_ASSIGN(const auto infos, check_.check(entry.obj, stop));
  if (!chosen_by_chance(options_.files_percent)) {
    return {};
  }
  return contents.add(path, entry.obj, entry.size, infos, stop);
}

Status Verification::visit(const DirEntryView& entry, const std::string& path, ContentVerifier& contents,
                           std::stop_token stop) {
  ++objects_;
  progress();
  if (entry.type == EntryType::directory) {
    return {};  // proven by being read
  }
  bytes_ += entry.size;
  return verify_file(entry, path, contents, stop);
}

VerifyStats Verification::stats() const {
  VerifyStats s = expected_;
  s.processed_objects = objects_;
  s.processed_bytes = bytes_;
  s.read_files = read_files_;
  s.read_bytes = read_bytes_;
  return s;
}

void Verification::progress() {
  const std::int64_t now = monotonic_ns();
  std::int64_t last = last_progress_ns_.load(std::memory_order_relaxed);
  if (!callbacks_.on_progress || now - last < kProgressIntervalNs ||
      !last_progress_ns_.compare_exchange_strong(last, now)) {
    return;
  }
  const std::lock_guard lock(progress_mutex_);
  callbacks_.on_progress(stats());
}

Status Verification::run(VerifyResult& result, std::stop_token stop) {
  TRY(list_blobs(stop));
  TreeWalker* reporter = nullptr;
  const content::ReadStyle style = content::read_style(repository_.storage());
  ContentVerifier contents(repository_,
                           {.threads = options_.file_parallelism != 0 ? options_.file_parallelism : style.requests,
                            .batch_max = std::max<std::size_t>(options_.contents_in_batch_max, 1),
                            .limits = style.limits},
                           {[&](const std::string& path, const Status& s) { reporter->report(path, s); },
                            [&](std::int64_t length) {
                              ++read_files_;
                              read_bytes_ += length;
                              progress();
                            }});
  TreeWalker walker(
      repository_.objects(),
      {std::max(options_.parallel, 1U), options_.max_errors,
       [&](const std::string& path, const Status& s) { line(path, s); }},
      [&](const DirEntryView& e, const std::string& path, std::stop_token t) { return visit(e, path, contents, t); });
  reporter = &walker;
  auto found = roots(stop);
  Status s;
  if (!found.ok()) {
    s = std::move(found).status();
    if (!s.is(Code::cancelled)) {
      walker.report("tree walker enqueue", s);
    }
  } else {
    last_progress_ns_ = monotonic_ns();
    if (callbacks_.on_start && !found->empty()) {
      callbacks_.on_start(stats());
    }
    s = walker.walk(std::move(*found), stop);
    const std::stop_callback forward(stop, [&] { walker.request_stop(); });
    const Status rest = contents.finish(walker.stop_token());
    if (!rest.ok() && !rest.is(Code::cancelled)) {
      walker.report("contents", rest);
    }
    s = stop.stop_requested() ? Status(Code::cancelled, "cancelled") : walker.result();
  }
  result.stats = stats();
  result.error_count = walker.error_count();
  result.error_texts = walker.error_texts();
  return s;
}

}  // namespace

Json VerifyStats::to_json() const {
  return Json::object({{"processedObjectCount", processed_objects},
                       {"processedBytes", processed_bytes},
                       {"readFileCount", read_files},
                       {"readBytes", read_bytes},
                       {"expectedTotalObjectCount", expected_objects},
                       {"expectedTotalFileCount", expected_files},
                       {"expectedTotalBytes", expected_bytes}});
}

Json VerifyResult::to_json() const {
  Json j = Json::object({{"stats", stats.to_json()}, {"errorCount", error_count}});
  Json texts = Json::array();
  for (const std::string& t : error_texts) {
    texts.push_back(t);
  }
  j.set_omitempty("errorStrings", std::move(texts));
  return j;
}

Status verify_snapshots(repo::Repository& repository, const VerifyOptions& options, const VerifyCallbacks& callbacks,
                        VerifyResult& result, std::stop_token stop) {
  return Verification(repository, options, callbacks).run(result, stop);
}

}  // namespace cairn::snapshot
