// How much an upload will have to look at: for progress only. (kopia-model §8.9)
#pragma once

#include <stop_token>
#include <string>

#include "snapshot/policy.h"

namespace cairn::snapshot {

struct Estimate {
  std::int64_t files = 0, bytes = 0;  // what the rules leave in
};

// Walks the tree with the upload's rules; what cannot be read is passed over.
// Errors: cancelled.
Result<Estimate> estimate_by_walk(const std::string& path, const PolicyTree& policies, std::stop_token stop);
// What the file system that holds `path` says it uses.
Result<Estimate> estimate_by_volume(const std::string& path);
// The volume's figures, unless it has fewer files than `threshold`: then a walk is quick enough.
Result<Estimate> estimate_adaptively(const std::string& path, const PolicyTree& policies, std::int64_t threshold,
                                     std::stop_token stop);

}  // namespace cairn::snapshot
