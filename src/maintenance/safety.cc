#include "maintenance/safety.h"

namespace cairn::maintenance {

Safety Safety::full() { return {hours(2), hours(24), hours(4), true, hours(1), hours(24), hours(96), hours(1)}; }

Safety Safety::none() { return {{}, {}, {}, false, {}, {}, {}, {}}; }

bool may_rewrite(const Schedule& schedule, const Safety& safety, bool full) {
  const auto rewritten =
      full ? schedule.last_success({kFullRewrite}) : schedule.last_success({kQuickRewrite, kFullRewrite});
  if (!rewritten || safety.rewrite_to_delete_delay.ns == 0) {
    return true;
  }
  const auto deleted = schedule.last_success({kQuickDeleteBlobs, kFullDeleteBlobs});
  return deleted && *deleted >= *rewritten;
}

bool may_delete_blobs(const Schedule& schedule, const Safety& safety, Timestamp now) {
  const auto rewritten = schedule.last_success({kQuickRewrite, kFullRewrite});
  return !rewritten || now >= *rewritten + safety.rewrite_to_delete_delay;
}

std::optional<Timestamp> safe_drop_time(const Schedule& schedule, const Safety& safety, Timestamp now) {
  if (!safety.require_two_gc_cycles) {
    return now;
  }
  const auto it = schedule.runs.find(std::string(kSnapshotGc));
  if (it == schedule.runs.end()) {
    return std::nullopt;
  }
  const Run* newest = nullptr;
  for (const Run& run : it->second) {
    if (!run.success) {
      continue;
    }
    if (newest == nullptr) {
      newest = &run;
    } else if (newest->start - run.end > safety.margin_between_gc) {
      return run.start - safety.drop_extra_margin;
    }
  }
  return std::nullopt;
}

}  // namespace cairn::maintenance
