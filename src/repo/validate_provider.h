// Does a storage do what a repository relies on? (kopia-interfaces §1.8.6)
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "blob/storage.h"

namespace cairn::repo {

struct ValidateOptions {
  Duration concurrency_time = seconds(30);
  unsigned put_workers = 3, get_workers = 3, metadata_workers = 3;  // of every connection
};

// Works on blobs of its own below a random prefix, and removes them also after a failure. Connections are to the same
// storage; at least one. Errors: failed_precondition "…: what was expected and what came"; the storage's.
Status validate_provider(const std::vector<std::shared_ptr<blob::Storage>>& connections, const ValidateOptions& options,
                         const std::function<void(const std::string& step)>& on_step, std::stop_token stop);

}  // namespace cairn::repo
