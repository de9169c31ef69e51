// The editor of the person at the terminal.
#pragma once

#include <string>

#include "cli/context.h"

namespace cairn::cli {

// Opens `file` in $VISUAL, $EDITOR or vi and waits. Errors: "unable to launch editor …".
Status run_editor(Context& context, const std::string& file);

}  // namespace cairn::cli
