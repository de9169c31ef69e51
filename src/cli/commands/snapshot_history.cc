#include "cli/commands/commands.h"
#include "cli/targets.h"
#include "snapshot/history.h"

namespace cairn::cli {
namespace {

Status run_history(Context& context, const ParsedCommand& command, bool move) {
  TRY_ASSIGN(const auto repository, context.open_repository());
  snapshot::HistoryRequest request;
  request.move = move;
  request.dry_run = command.boolean("dry-run");
  TRY_ASSIGN(request.from, parse_source(*repository, command.argument("source")));
  if (const std::string& destination = command.argument("destination"); !destination.empty()) {
    TRY_ASSIGN(request.to, parse_source(*repository, destination));
  } else {
    request.to = {.host = repository->client().hostname, .user_name = repository->client().username, .path = ""};
  }
  request.on_step = [&](snapshot::HistoryStep step, const snapshot::SnapshotManifest& s,
                        const snapshot::SourceInfo& target) {
    const std::string time = display_time(s.start_time);
    if (step == snapshot::HistoryStep::exists) {
      context.notice("{} ({}) already exists{}", target.text(), time, move ? " - deleting source" : "");
    } else {
      context.notice("{}{} {} ({}) => {}", move ? "moving" : "copying", request.dry_run ? " (dry run)" : "",
                     s.source.text(), time, target.text());
    }
  };
  TRY_ASSIGN(const std::int64_t changes, snapshot::copy_history(repository->manifests(), request, context.stop()));
  return changes > 0 ? flush_writer(context, *repository) : Status();
}

Status run_copy(Context& context, const ParsedCommand& command) { return run_history(context, command, false); }
Status run_move(Context& context, const ParsedCommand& command) { return run_history(context, command, true); }

void add(CommandTable& table, const char* path, const char* help, RunFunction run) {
  table.add({.path = path,
             .help = help,
             .arguments = {{.name = "source", .help = "user@host, @host or user@host:/path", .required = true},
                           {.name = "destination", .help = "The same; by default this user and host"}},
             .flags = {{.name = "dry-run", .short_name = 'n', .help = "Only say what would be done"}},
             .run = run});
}

}  // namespace

void add_snapshot_history(CommandTable& table) {
  add(table, "snapshot copy-history", "Copy the list of snapshots of a source to another source", run_copy);
  add(table, "snapshot move-history", "Give the snapshots of a source to another source", run_move);
}

}  // namespace cairn::cli
