// Commands on copies of a repository and on the storage under it; as commands.h.
#pragma once

#include "cli/command_table.h"

namespace cairn::cli {

void add_repository_replicate(CommandTable& table);
void add_repository_validate_provider(CommandTable& table);
void add_status(CommandTable& table);

}  // namespace cairn::cli
