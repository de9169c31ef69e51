// Filling the metadata cache before it is needed.
#pragma once

#include <vector>

#include "content/content_manager.h"

namespace cairn::content {

// Reads the contents, so that what may be cached is (docs/design/cache.md). Returns how many could be read; missing and
// damaged ones are left out, for whoever needs them will say so.
Result<std::int64_t> prefetch_contents(ContentManager& contents, const std::vector<ContentId>& ids, unsigned parallel,
                                       std::stop_token stop);

// Every metadata pack that the indexes refer to.
Status sync_metadata_cache(ContentManager& contents, unsigned parallel, std::stop_token stop);

}  // namespace cairn::content
