#include "proof/checked_view.h"

#include <mutex>
#include <set>

#include "base/task_group.h"
#include "proof/units.h"

namespace cairn::proof {
namespace {

constexpr int kAttemptsMax = 20;

}  // namespace

Result<CheckedView> open_checked_view(repo::Repository& repository, std::shared_ptr<blob::Storage> storage,
                                      unsigned parallel, std::stop_token stop) {
  CheckedView out;
  std::set<BlobId> checked;
  std::mutex mutex;
  // Without a bad blob others come into force, and blobs vanish when another client merges them.
  for (int attempt = 0; attempt < kAttemptsMax; ++attempt) {
    auto seen = storage;
    if (!out.bad.empty()) {
      const auto patched = std::make_shared<PatchedStorage>(storage);
      for (const auto& bad : out.bad) {
        patched->hide(bad.id);
      }
      seen = patched;
    }
    TRY_ASSIGN(out.view, make_view(repository, seen, stop));
    TRY_ASSIGN(const index::ActiveSet active, out.view.contents->indexes().active(stop), "error loading indexes");
    const std::size_t bad_before = out.bad.size();
    bool vanished = false;
    TRY(parallel_for(active.blobs.size(), parallel, stop, [&](std::size_t i, std::stop_token t) -> Status {
      const BlobId& id = active.blobs[i].id;
      {
        const std::lock_guard lock(mutex);
        if (checked.contains(id)) {
          return {};
        }
      }
      const auto stored = seen->get(id, {}, t);
      if (!stored.ok() && stored.code() != Code::not_found) {
        return stored.status().with_frame("error reading " + id.text);
      }
      Verdict verdict;
      if (stored.ok()) {
        verdict = check_index_blob(id, stored->view(), out.view.contents->crypto());
      }
      const std::lock_guard lock(mutex);
      out.bytes_read += verdict.bytes;
      if (!stored.ok()) {
        vanished = true;
      } else if (verdict.good()) {
        checked.insert(id);
      } else {
        out.bad.push_back({id, verdict.problem});
      }
      return {};
    }));
    if (!vanished && out.bad.size() == bad_before) {
      out.index_blobs = active.blobs;
      TRY(out.view.contents->refresh(stop));
      return out;
    }
  }
  return error(Code::unavailable, "index blobs changed while they were read, {} times", kAttemptsMax);
}

}  // namespace cairn::proof
