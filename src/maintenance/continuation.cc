#include "maintenance/continuation.h"

#include <algorithm>

namespace cairn::maintenance {
namespace {

// Later everything is done anew.
constexpr Duration kContinueWithin = hours(4);

}  // namespace

std::optional<CutOffRun> find_cut_off_run(const Schedule& schedule, Timestamp now) {
  const auto gc = schedule.runs.find(std::string(kSnapshotGc));
  if (gc == schedule.runs.end() || gc->second.empty()) {
    return std::nullopt;
  }
  const Run& last = gc->second.front();
  if (!last.success || now < last.end || now - last.end > kContinueWithin) {
    return std::nullopt;
  }
  for (const Json& extra : last.extra.items()) {
    // After a GC that took marks back nothing is deleted, whoever goes on.
    if (extra["data"]["recoveredContentCount"].as_int() > 0) {
      return std::nullopt;
    }
  }
  CutOffRun found{last.start, last.end, {}};
  for (const auto& [task, runs] : schedule.runs) {
    if (runs.empty() || runs.front().start < last.start) {
      continue;
    }
    // Log clean-up is a run's last task, and a failure is a run's end too.
    if (!runs.front().success || task == kCleanupLogs) {
      return std::nullopt;
    }
    found.last_record = std::max(found.last_record, runs.front().end);
    found.finished.insert(task);
  }
  return found;
}

}  // namespace cairn::maintenance
