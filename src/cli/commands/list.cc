#include "cli/commands/commands.h"
#include "cli/context.h"

namespace cairn::cli {
namespace {

Status run_list(Context& context, const ParsedCommand&) {
  TRY(context.open_repository({.read_only = true}));
  return error(Code::unsupported, "command 'list' is not available in this version yet");
}

}  // namespace

void add_list(CommandTable& table) {
  table.add({.path = "list",
             .help = "List a directory of the repository",
             .aliases = {"ls"},
             .arguments = {{.name = "object-path", .help = "Snapshot id or root object id, and a path below it",
                            .required = true}},
             .flags = {{.name = "long", .short_name = 'l', .help = "Show all fields"},
                       {.name = "human-readable", .short_name = 'h', .help = "Sizes with units"},
                       {.name = "recursive", .short_name = 'r', .help = "Directories below too"},
                       {.name = "show-object-id", .short_name = 'o', .help = "Show object ids"},
                       {.name = "error-summary", .default_value = "true", .help = "Show errors of the snapshot"}},
             .run = run_list});
}

}  // namespace cairn::cli
