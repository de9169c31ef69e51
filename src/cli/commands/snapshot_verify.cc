#include "cli/commands/commands.h"
#include "cli/context.h"
#include "cli/format.h"

namespace cairn::cli {
namespace {

using enum ValueType;

Status run_snapshot_verify(Context& context, const ParsedCommand&) {
  TRY(context.open_repository({.read_only = true}));
  return error(Code::unsupported, "command 'snapshot verify' is not available in this version yet");
}

}  // namespace

void add_snapshot_verify(CommandTable& table) {
  std::vector<FlagSpec> flags = {
      {.name = "max-errors", .type = integer, .default_value = "0", .help = "Stop after this many errors; negative: never"},
      {.name = "directory-id", .type = text, .help = "Directory objects to verify", .repeatable = true},
      {.name = "file-id", .type = text, .help = "File objects to verify", .repeatable = true},
      {.name = "sources", .type = text, .help = "Sources whose snapshots to verify", .repeatable = true},
      {.name = "parallel", .type = integer, .default_value = "8", .help = "Objects verified at once"},
      {.name = "file-queue-length", .type = integer, .default_value = "20000", .help = "Length of the queue of files"},
      {.name = "file-parallelism", .type = integer, .help = "Files read at once"},
      {.name = "verify-files-percent", .type = real, .default_value = "0", .help = "Read this part of the files, in percent"},
      {.name = "all-sources", .help = "Accepted; without arguments everything is verified", .hidden = true},
  };
  append_flags(flags, json_flags());
  table.add({.path = "snapshot verify",
             .help = "Verify that snapshots can be restored",
             .arguments = {{.name = "snapshot-ids", .help = "Snapshot ids; none: all", .repeatable = true}},
             .flags = std::move(flags),
             .run = run_snapshot_verify});
}

}  // namespace cairn::cli
