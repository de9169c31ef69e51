// Sleeping that a stop request ends.
#pragma once

#include <stop_token>

#include "base/status.h"
#include "base/time.h"

namespace cairn {

// Errors: cancelled.
Status sleep_for(Duration d, std::stop_token stop);

}  // namespace cairn
