// Listing of a sharded tree.
#pragma once

#include <string>

#include "blob/storage.h"

namespace cairn::blob {

// Calls back, one at a time on the caller's thread, for every blob whose id starts with `prefix`. Directories that
// cannot hold one are not entered; up to `parallelism` are read at a time. What vanishes meanwhile is left out.
// `directory_deadline` is for each directory.
Status walk_tree(const std::string& root, std::string_view prefix, int parallelism, Duration directory_deadline,
                 const ListCallback& callback, std::stop_token stop);

}  // namespace cairn::blob
