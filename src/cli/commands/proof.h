// Commands that prove a repository and repair it from a copy; as commands.h.
#pragma once

#include "cli/command_table.h"

namespace cairn::cli {

void add_heal(CommandTable& table);
void add_verify(CommandTable& table);

}  // namespace cairn::cli
