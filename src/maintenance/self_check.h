// Looking whether every pack that the index names is there, before and after tasks. (kopia-model §11.3)
#pragma once

#include <stop_token>

#include "content/content_manager.h"

namespace cairn::maintenance {

// Once in a while: with a probability of `percent`. Errors: corrupt when a content's pack is missing or too short; the
// storage's.
Status self_check(content::ContentManager& contents, double percent, std::stop_token stop);

}  // namespace cairn::maintenance
