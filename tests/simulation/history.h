// One random history of clients on one repository, checked after every step against what must exist.
#pragma once

#include <string>

#include "tests/simulation/world.h"

namespace cairn::simulation {

struct Outcome {
  std::string failure;  // empty: nothing was lost
  Duration simulated{};
  std::uint64_t trace = 0;
  std::int64_t backups = 0, failed = 0, killed = 0, maintenance_runs = 0, checks = 0, packs_removed = 0;
};

struct HistoryOptions {
  std::uint64_t seed = 1;
  int days = 12;
  unsigned clients = 3;
  Faults faults{};
};

Outcome run_history(const HistoryOptions& options);

}  // namespace cairn::simulation
