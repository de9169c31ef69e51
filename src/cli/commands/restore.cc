#include "cli/commands/commands.h"
#include "cli/context.h"

namespace cairn::cli {
namespace {

using enum ValueType;

Status run_restore(Context& context, const ParsedCommand&) {
  TRY(context.open_repository({.read_only = true}));
  return error(Code::unsupported, "command 'restore' is not available in this version yet");
}

std::vector<FlagSpec> restore_flags() {
  return {
      {.name = "overwrite-directories", .default_value = "true", .help = "Overwrite existing directories"},
      {.name = "overwrite-files", .default_value = "true", .help = "Overwrite existing files"},
      {.name = "overwrite-symlinks", .default_value = "true", .help = "Overwrite existing symbolic links"},
      {.name = "write-sparse-files", .help = "Leave holes for blocks of zeros"},
      {.name = "consistent-attributes", .env = "KOPIA_RESTORE_CONSISTENT_ATTRIBUTES",
       .help = "Fail when several snapshots with other attributes match"},
      {.name = "mode", .type = choice, .default_value = "auto", .help = "What to make",
       .choices = {"auto", "local", "zip", "zip-nocompress", "tar", "tgz"}},
      {.name = "parallel", .type = integer, .default_value = "8", .help = "Files restored at once"},
      {.name = "skip-owners", .help = "Do not restore owners"},
      {.name = "skip-permissions", .help = "Do not restore permissions"},
      {.name = "skip-times", .help = "Do not restore times"},
      {.name = "ignore-permission-errors", .default_value = "true", .help = "Ignore errors of restoring permissions"},
      {.name = "write-files-atomically", .help = "Give files their name when they are complete"},
      {.name = "ignore-errors", .help = "Go on after errors"},
      {.name = "skip-existing", .help = "Skip files that exist already"},
      {.name = "delete-extra", .help = "Delete what is not in the snapshot"},
      {.name = "shallow", .type = int32, .help = "Restore placeholders below this depth", .placeholder = "DEPTH"},
      {.name = "shallow-minsize", .type = int32, .default_value = "0", .help = "No placeholders for files below this size"},
      {.name = "flush-files", .help = "Write files through to the disk"},
      {.name = "snapshot-time", .type = text, .default_value = "latest", .help = "Which snapshot, when a path is given"},
  };
}

}  // namespace

void add_restore(CommandTable& table) {
  for (const char* path : {"restore", "snapshot restore"}) {
    table.add({.path = path,
               .help = "Restore a directory or a file",
               .arguments = {{.name = "sources", .help = "Source and target, or placeholder files", .required = true,
                              .repeatable = true}},
               .flags = restore_flags(),
               .run = run_restore});
  }
}

}  // namespace cairn::cli
