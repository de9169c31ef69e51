// Where the password of a connection is kept (kopia-interfaces §1.4.2): in the key ring of the desktop when
// --use-keyring asks for it and there is one, else in the file beside the configuration.
#pragma once

#include <string>

#include "cli/context.h"

namespace cairn::cli {

// A key ring that does not work is a warning, and the file is used. Errors: the file's.
Status keep_password(Context& context, const std::string& password);
// Errors: not_found when it is kept nowhere.
Result<std::string> kept_password(Context& context);
// In both places.
Status forget_password(Context& context);

}  // namespace cairn::cli
