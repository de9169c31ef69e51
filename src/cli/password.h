// Asking for passwords (kopia-interfaces §1.4.2): the question on standard output, the answer without echo from the
// terminal of standard input.
#pragma once

#include <string>

#include "base/status.h"

namespace cairn::cli {

class Context;

// Asks again on empty input. Errors: failed_precondition "password prompt error: inappropriate ioctl for device" when
// standard input is no terminal; "can't get password" after five empty answers; cancelled.
Result<std::string> ask_password(Context& context, const std::string& question);
// Asks twice until both answers are equal.
Result<std::string> ask_new_password(Context& context, const std::string& question);

}  // namespace cairn::cli
