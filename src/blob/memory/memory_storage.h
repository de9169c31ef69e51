// Storage in memory: tests, simulation. Timestamps come from the given clock. Retention options are accepted and have
// no effect.
#pragma once

#include "blob/storage.h"

namespace cairn::blob {

std::shared_ptr<Storage> make_memory_storage(const Clock& clock = system_clock());

}  // namespace cairn::blob
