// Commands of Kopia that this version knows by name only, so that asking for one gets a clear answer.
#include "cli/commands/commands.h"

namespace cairn::cli {

void add_later_commands(CommandTable& table) {
  static const CommandSpec kLater[] = {
      {.path = "repository repair"},
      {.path = "repository upgrade"},
      {.path = "server cancel"},
      {.path = "server flush"},
      {.path = "server pause"},
      {.path = "server refresh"},
      {.path = "server resume", .aliases = {"unpause"}},
      {.path = "server shutdown"},
      {.path = "server snapshot", .aliases = {"upload"}},
      {.path = "server start"},
      {.path = "server status"},
      {.path = "server throttle"},
  };
  for (CommandSpec row : kLater) {
    row.help = "Not available in this version yet";
    row.hidden = row.later = true;
    table.add(std::move(row));
  }
}

}  // namespace cairn::cli
