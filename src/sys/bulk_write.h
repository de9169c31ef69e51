// Large files written once and not read again soon: past the page cache, in aligned pieces.
#pragma once

#include <functional>

#include "base/bytes.h"
#include "base/status.h"

namespace cairn::sys {

// Writes the parts to `fd`, a new empty file opened for writing. From 1 MiB on, O_DIRECT is used where the file system
// takes it; otherwise, and for small data, plain writes. `check` is called between pieces of at most 4 MiB; its error
// ends the write. The caller still has to fsync.
Status write_bulk(int fd, GatherView parts, const std::function<Status()>& check);

}  // namespace cairn::sys
