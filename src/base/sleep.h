// Waiting that a stop request ends.
#pragma once

#include <stop_token>

#include "base/time.h"

namespace cairn {

// False when stopped before the time was over.
bool sleep_for(Duration d, std::stop_token stop);

}  // namespace cairn
