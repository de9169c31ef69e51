// One maintenance run: who may, when, which tasks in which order, what is recorded. docs/design/maintenance.md
// (kopia-model §11.3)
#pragma once

#include <string>
#include <vector>

#include "maintenance/memory.h"
#include "maintenance/parameters.h"
#include "maintenance/report.h"
#include "maintenance/safety.h"
#include "maintenance/schedule.h"
#include "repo/repository.h"

namespace cairn::maintenance {

enum class Mode { none, quick, full, automatic };

struct RunOptions {
  Mode mode = Mode::automatic;  // automatic: what is due
  Safety safety = Safety::full();
  bool force = false;  // also when somebody else is the owner
  MemoryBudget memory{};
  double self_check_percent = 0;  // probability of looking for every pack before and after a task
};

// What the run found and left for a person to see to; none of it ended the run.
struct RunResult {
  Mode mode = Mode::none;  // none: nothing was due, or another process of this machine is at it
  std::vector<std::string> problems;
};

// Errors: permission_denied (not the owner, read-only connection), failed_precondition (clock skew, lease lost),
// corrupt, the storage's. The first failing task ends the run.
Result<RunResult> run_maintenance(repo::Repository& repository, const RunOptions& options, const Report& report,
                                  std::stop_token stop);

// What is due at `now` by the parameters, for this client ("user@host"): none when it is not the owner.
Mode due_mode(const Parameters& parameters, const Schedule& schedule, const std::string& client, Timestamp now);

std::string client_identity(const repo::Repository& repository);

}  // namespace cairn::maintenance
