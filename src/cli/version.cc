#include "cli/version.h"

#ifndef CAIRN_VERSION
#define CAIRN_VERSION "0.1.0"
#endif
#ifndef CAIRN_REVISION
#define CAIRN_REVISION "unknown"
#endif

namespace cairn::cli {

std::string version_text() { return CAIRN_VERSION " build: " CAIRN_REVISION " from: cairn"; }

}  // namespace cairn::cli
