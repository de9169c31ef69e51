// Commands of Kopia that this version knows by name only, so that asking for one gets a clear answer.
#include "cli/commands/commands.h"

namespace cairn::cli {

void add_later_commands(CommandTable& table) {
  static const CommandSpec kLater[] = {
      {.path = "benchmark"},
      {.path = "blob delete", .aliases = {"remove", "rm"}},
      {.path = "blob gc"},
      {.path = "blob shards"},
      {.path = "blob show", .aliases = {"cat"}},
      {.path = "blob stats"},
      {.path = "cache prefetch"},
      {.path = "cache sync"},
      {.path = "content delete", .aliases = {"remove", "rm"}},
      {.path = "content rewrite"},
      {.path = "content show", .aliases = {"cat"}},
      {.path = "content stats"},
      {.path = "content verify"},
      {.path = "index epoch"},
      {.path = "index inspect"},
      {.path = "index optimize"},
      {.path = "index recover"},
      {.path = "logs", .aliases = {"log"}},
      {.path = "manifest delete", .aliases = {"remove", "rm"}},
      {.path = "manifest show"},
      {.path = "mount"},
      {.path = "notification", .aliases = {"notifications"}},
      {.path = "repository change-password"},
      {.path = "repository repair"},
      {.path = "repository set-parameters", .aliases = {"set-params"}},
      {.path = "repository throttle"},
      {.path = "repository upgrade"},
      {.path = "repository validate-provider"},
      {.path = "server"},
      {.path = "session"},
  };
  for (CommandSpec row : kLater) {
    row.help = "Not available in this version yet";
    row.hidden = row.later = true;
    table.add(std::move(row));
  }
}

}  // namespace cairn::cli
