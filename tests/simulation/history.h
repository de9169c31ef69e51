// One history of clients on one repository, random or following a script, checked after every step against what must
// exist.
#pragma once

#include <string>

#include "tests/simulation/oracle.h"
#include "tests/simulation/replacements.h"

namespace cairn::simulation {

struct Outcome {
  Violation violation;  // of cause `none`: nothing was lost
  Duration simulated{};
  std::uint64_t trace = 0;
  std::int64_t backups = 0, failed = 0, killed = 0, maintenance_runs = 0, kopia_runs = 0, checks = 0, excused = 0;
};

struct HistoryOptions {
  std::uint64_t seed = 1;
  int days = 12;
  // none: a random history. Otherwise one that comes near the mistake, which need not be planted.
  Mistake script = Mistake::none;
  Faults faults{};
  bool verbose = false;  // every step is printed
};

// What seed `n` stands for when nothing else is asked: most are random histories, some follow a script amid faults.
HistoryOptions history_of(std::uint64_t n);

Outcome run_history(const HistoryOptions& options);

}  // namespace cairn::simulation
