// The format blob, without which nothing opens.
#pragma once

#include <optional>

#include "blob/storage.h"
#include "proof/damage.h"

namespace cairn::proof {

// Looks into the storage itself, not into a cache. A blob that cannot be opened with the right password cannot be told
// from a wrong password here. Errors: the storage's.
Result<std::optional<Damage>> check_format_blob(blob::Storage& storage, std::stop_token stop);

}  // namespace cairn::proof
