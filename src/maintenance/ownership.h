// Whether the owner of maintenance does its work, and whether the one before it may still be at it. Pure functions.
// docs/design/maintenance.md
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "maintenance/parameters.h"
#include "maintenance/schedule.h"

namespace cairn::maintenance {

// Named as Kubernetes names pods ("…-7c9d8b6f5d-x2x4z", "…-x2x4z") or Docker containers: gone when it ends, and nobody
// has this name again.
bool looks_ephemeral(std::string_view host);

// What a person should know about the owner; empty when all is well.
std::vector<std::string> owner_concerns(const Parameters& parameters, const Schedule& schedule, Timestamp now);

// Until when a new owner leaves the repository to the former one: set when ownership changed lately and the history
// shows a run that has not ended. `written`: the storage's time of the schedule blob.
std::optional<Timestamp> wait_for_former_owner(const Parameters& parameters, const Schedule& schedule,
                                               Timestamp written, Timestamp now);

}  // namespace cairn::maintenance
