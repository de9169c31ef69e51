// Commands of Kopia that this version knows by name only, so that asking for one gets a clear answer.
#include "cli/commands/commands.h"

namespace cairn::cli {

void add_later_commands(CommandTable& table) {
  table.add({.path = "server start", .help = "Not available in this version yet", .hidden = true, .later = true});
}

}  // namespace cairn::cli
