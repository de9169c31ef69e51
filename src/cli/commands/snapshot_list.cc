#include "cli/commands/commands.h"
#include "cli/context.h"
#include "cli/format.h"

namespace cairn::cli {
namespace {

using enum ValueType;

Status run_snapshot_list(Context& context, const ParsedCommand&) {
  TRY(context.open_repository({.read_only = true}));
  return error(Code::unsupported, "command 'snapshot list' is not available in this version yet");
}

}  // namespace

void add_snapshot_list(CommandTable& table) {
  std::vector<FlagSpec> flags = {
      {.name = "incomplete", .short_name = 'i', .help = "Incomplete snapshots too"},
      {.name = "human-readable", .default_value = "true", .help = "Sizes with units"},
      {.name = "delta", .short_name = 'd', .help = "Growth against the previous snapshot"},
      {.name = "manifest-id", .short_name = 'm', .help = "Show snapshot ids"},
      {.name = "retention", .default_value = "true", .help = "Show retention reasons"},
      {.name = "mtime", .help = "Show modification times"},
      {.name = "owner", .help = "Show owners"},
      {.name = "show-identical", .short_name = 'l', .help = "Show identical snapshots singly"},
      {.name = "storage-stats", .help = "Show how much each snapshot added"},
      {.name = "reverse", .help = "Newest first"},
      {.name = "all", .short_name = 'a', .help = "All users and hosts"},
      {.name = "max-results", .short_name = 'n', .type = integer, .help = "Number of snapshots per source"},
      {.name = "tags", .type = text, .help = "Only snapshots with this tag, as key:value", .repeatable = true},
  };
  append_flags(flags, json_flags());
  table.add({.path = "snapshot list",
             .help = "List snapshots",
             .aliases = {"ls"},
             .arguments = {{.name = "source", .help = "A path or user@host:/path"}},
             .flags = std::move(flags),
             .run = run_snapshot_list});
}

}  // namespace cairn::cli
