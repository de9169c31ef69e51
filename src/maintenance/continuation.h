// Whether the history ends in a full run that was killed, and what it had finished. docs/design/maintenance.md
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>

#include "maintenance/schedule.h"

namespace cairn::maintenance {

// A full run that was killed after its GC and not long ago: what it finished need not be done again. Pure.
struct CutOffRun {
  Timestamp start, last_record;  // of its GC; of its last finished task
  std::set<std::string, std::less<>> finished;
};
std::optional<CutOffRun> find_cut_off_run(const Schedule& schedule, Timestamp now);

}  // namespace cairn::maintenance
