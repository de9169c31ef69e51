// Limits on requests: their flags, how they are shown and changed (repository throttle, server throttle).
#pragma once

#include <vector>

#include "blob/decorators.h"
#include "cli/context.h"

namespace cairn::cli {

// One flag a limit.
std::vector<FlagSpec> throttle_flags();
// As a table, or as JSON when that is asked for.
void print_limits(Context& context, const ParsedCommand& command, const blob::ThrottleLimits& limits);
// What the flags say, in `limits`, each with a line; false and "No changes made." when they say nothing.
Result<bool> change_limits(Context& context, const ParsedCommand& command, blob::ThrottleLimits& limits);

}  // namespace cairn::cli
