// What a command asked of a store behind a network: requests cost money there.
#pragma once

#include "base/json.h"
#include "repo/repository.h"

namespace cairn::cli {

// {"get": …, "head": …, "list": …, "put": …, "delete": …, "failed": …, "bytesRead": …, "bytesWritten": …} since the
// repository was opened.
Json request_counts_json(repo::Repository& repository);

}  // namespace cairn::cli
