// Maintenance that starts by itself after a command has written. (kopia-interfaces §0.2)
#pragma once

#include <functional>
#include <optional>
#include <thread>

#include "cli/context.h"
#include "maintenance/run.h"

namespace cairn::cli {

// Lines of a run as notices; on a terminal the phase under way with the time left.
maintenance::Report maintenance_report(Context& context);

// KOPIA_MAINTENANCE_CONTENT_VERIFY_PERCENTAGE; 0 when absent or not a number.
double self_check_percent(const Context& context);

// Runs what is due when this client is the owner. A failure is a warning: what the command was asked for is done.
void run_due_maintenance(Context& context, repo::Repository& repository);

// Finds out beside a command's own work whether anything will be due at its end, which then need not wait for the
// answer.
class MaintenanceOutlook {
 public:
  MaintenanceOutlook(Context& context, repo::Repository& repository);
  // Of the first call, for good. Other clients' runs only put it off further, so an early answer holds. False also when
  // there was no answer.
  bool nothing_due(Timestamp now);

 private:
  std::optional<bool> nothing_due_;
  std::function<maintenance::Mode(Timestamp)> due_;  // the reader's until it is joined
  std::jthread reader_;
};

}  // namespace cairn::cli
