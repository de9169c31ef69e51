// Listing of a sharded tree.
#pragma once

#include <string>

#include "base/time.h"
#include "blob/storage.h"

namespace cairn::blob {

struct Tree {
  std::string root;
  int parallelism = 0;          // directories read at a time
  Duration directory_deadline;  // for each directory
  bool may_hang = false;        // read on threads that can be left (call_guard.h)
};

// Calls back, one at a time on the caller's thread, for every blob whose id starts with `prefix`. Directories that
// cannot hold one are not entered. What vanishes meanwhile is left out.
Status walk_tree(const Tree& tree, std::string_view prefix, const ListCallback& callback, std::stop_token stop);

}  // namespace cairn::blob
