#include "snapshot/freshness.h"

#include <mutex>
#include <set>

#include "base/log.h"
#include "snapshot/store.h"
#include "snapshot/tree_walk.h"

namespace cairn::snapshot {
namespace {

// Half of what two collections need.
constexpr Duration kTrustedFor = hours(4);

}  // namespace

bool Freshness::stale() const {
  const Duration passed = clock_.now() - since_;
  return passed > kTrustedFor || passed < Duration{} - kTrustedFor;
}

Status Freshness::confirm(repo::Repository& repository, const SnapshotManifest& manifest, std::stop_token stop) {
  const Timestamp started = clock_.now();
  content::ContentManager& contents = repository.contents();
  log::warning("snapshot", "{} passed since the snapshot of {} was begun; looking up everything it refers to",
               go_duration(started - since_), manifest.source.text());
  TRY(contents.refresh(stop));
  std::mutex mutex;
  std::set<ContentId> marked;
  TreeWalker walker(repository.objects(), {},
                    [&](const DirEntryView& entry, const std::string& path, std::stop_token inner) -> Status {
                      return repository.objects()
                          .verify(
                              entry.obj,
                              [&](const ContentId& id) -> Status {
                                TRY_ASSIGN(const content::ContentInfo info, contents.info(id, inner));
                                if (info.deleted) {
                                  const std::lock_guard lock(mutex);
                                  marked.insert(id);
                                }
                                return {};
                              },
                              inner)
                          .with_frame(path);
                    });
  TRY(walker.walk({{manifest.source.text(), *manifest.root}}, stop),
      "this backup stood still for too long and what it took over is gone; run it again");
  for (const ContentId& id : marked) {
    TRY_ASSIGN(const content::ContentInfo info, contents.info(id, stop));
    TRY_ASSIGN(const Buffer plain, contents.read(id, stop));
    TRY(contents.write(plain.view(), static_cast<char>(id.prefix), info.compression, stop));
  }
  since_ = started;
  return {};
}

Status Freshness::save(repo::Repository& repository, SnapshotManifest& manifest,
                       const std::function<Status()>& before_flush, std::stop_token stop) {
  if (stale()) {
    TRY(confirm(repository, manifest, stop));
  }
  TRY(save_snapshot(repository.manifests(), manifest, stop), "cannot save manifest");
  if (before_flush) {
    TRY(before_flush());
  }
  TRY(repository.flush(stop), "flush error");
  while (stale()) {
    Status confirmed = confirm(repository, manifest, stop);
    if (!confirmed.ok()) {
      TRY(delete_snapshot(repository.manifests(), manifest.id, stop));
      TRY(repository.flush(stop), "flush error");
      return confirmed;
    }
    TRY(repository.flush(stop), "flush error");
  }
  return {};
}

}  // namespace cairn::snapshot
