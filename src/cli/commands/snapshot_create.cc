#include "cli/commands/commands.h"
#include "cli/context.h"
#include "cli/format.h"

namespace cairn::cli {
namespace {

using enum ValueType;

Status run_snapshot_create(Context& context, const ParsedCommand&) {
  TRY(context.open_repository());
  return error(Code::unsupported, "command 'snapshot create' is not available in this version yet");
}

}  // namespace

void add_snapshot_create(CommandTable& table) {
  std::vector<FlagSpec> flags = {
      {.name = "all", .help = "All sources of this user and host that are not manual"},
      {.name = "upload-limit-mb", .type = int64, .default_value = "0", .help = "Stop after this much, in MB"},
      {.name = "checkpoint-interval", .type = duration, .help = "Time between two checkpoints", .hidden = true},
      {.name = "description", .type = text, .help = "Description of the snapshot"},
      {.name = "fail-fast", .env = "KOPIA_SNAPSHOT_FAIL_FAST", .help = "Stop at the first error"},
      {.name = "force-hash", .type = real, .default_value = "0", .help = "Read this part of unchanged files again, in percent"},
      {.name = "parallel", .type = integer, .default_value = "0", .help = "Files read at once"},
      {.name = "start-time", .type = text, .help = "Start time of the snapshot"},
      {.name = "end-time", .type = text, .help = "End time of the snapshot"},
      {.name = "force-enable-actions", .help = "Run actions although they are disabled", .hidden = true},
      {.name = "force-disable-actions", .help = "Do not run actions although they are enabled", .hidden = true},
      {.name = "stdin-file", .type = text, .help = "Make a snapshot of standard input, as a file of this name"},
      {.name = "tags", .type = text, .help = "Tag of the snapshot, as key:value", .repeatable = true},
      {.name = "pin", .type = text, .help = "Pin of the snapshot", .repeatable = true},
      {.name = "flush-per-source", .help = "Commit after each source", .hidden = true},
      {.name = "override-source", .type = text, .help = "Source to record instead of the real one"},
      {.name = "send-snapshot-report", .default_value = "true", .help = "Notify about the snapshot"},
      {.name = "log-dir-detail", .type = integer, .default_value = "-1", .help = "Detail of log lines on directories"},
      {.name = "log-entry-detail", .type = integer, .default_value = "-1", .help = "Detail of log lines on entries"},
      {.name = "upload-speed", .type = text, .help = "Limit of the upload speed, in bytes per second", .hidden = true},
  };
  append_flags(flags, json_flags());
  table.add({.path = "snapshot create",
             .help = "Make snapshots of directories or files",
             .arguments = {{.name = "source", .help = "Directories or files", .repeatable = true}},
             .flags = std::move(flags),
             .run = run_snapshot_create});
}

}  // namespace cairn::cli
