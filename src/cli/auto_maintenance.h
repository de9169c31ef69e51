// Maintenance that starts by itself after a command has written. (kopia-interfaces §0.2)
#pragma once

#include "cli/context.h"
#include "maintenance/report.h"

namespace cairn::cli {

// Lines of a run as notices; on a terminal the phase under way with the time left.
maintenance::Report maintenance_report(Context& context);

// KOPIA_MAINTENANCE_CONTENT_VERIFY_PERCENTAGE; 0 when absent or not a number.
double self_check_percent(const Context& context);

// Runs what is due when this client is the owner. A failure is a warning: what the command was asked for is done.
void run_due_maintenance(Context& context, repo::Repository& repository);

}  // namespace cairn::cli
