#include "cli/commands/commands.h"
#include "cli/context.h"

namespace cairn::cli {
namespace {

Status run_show(Context& context, const ParsedCommand&) {
  TRY(context.open_repository({.read_only = true}));
  return error(Code::unsupported, "command 'show' is not available in this version yet");
}

}  // namespace

void add_show(CommandTable& table) {
  table.add({.path = "show",
             .help = "Print a file of the repository",
             .aliases = {"cat"},
             .arguments = {{.name = "object-path", .help = "Object id, and a path below it", .required = true}},
             .run = run_show});
}

}  // namespace cairn::cli
