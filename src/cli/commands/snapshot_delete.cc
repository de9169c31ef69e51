#include <algorithm>

#include "cli/commands/commands.h"
#include "cli/targets.h"
#include "snapshot/resolve.h"
#include "snapshot/store.h"

namespace cairn::cli {
namespace {

Status delete_one(Context& context, const ParsedCommand& command, repo::Repository& repository,
                  const snapshot::SnapshotManifest& snapshot) {
  const std::string what =
      fmt::format("snapshot {} of {} at {}", snapshot.id, snapshot.source.text(), display_time(snapshot.start_time));
  if (!command.boolean("delete") && !command.boolean("unsafe-ignore-source")) {
    context.notice("Would delete {} (pass --delete to confirm)", what);
    return {};
  }
  context.notice("Deleting {}...", what);
  return snapshot::delete_snapshot(repository.manifests(), snapshot.id, context.stop());
}

// All snapshots with this root, newest first.
Result<std::vector<snapshot::SnapshotManifest>> by_root(Context& context, repo::Repository& repository,
                                                        const std::string& word) {
  const auto root = object::ObjectId::parse(word);
  if (!root.ok()) {
    return error(Code::invalid_argument, "invalid object ID: {}", snapshot::object_id_problem(word));
  }
  TRY_ASSIGN(auto found, snapshot::find_snapshots_by_root(repository.manifests(), *root, context.stop()));
  if (found.empty()) {
    return error(Code::not_found, "no snapshots matched {}", word);
  }
  std::ranges::reverse(found);
  return found;
}

Result<std::vector<snapshot::SnapshotManifest>> selected(Context& context, const ParsedCommand& command,
                                                         repo::Repository& repository, const std::string& word) {
  if (command.boolean("all-snapshots-for-source")) {
    TRY_ASSIGN(const snapshot::SourceInfo source, parse_source(repository, word));
    TRY_ASSIGN(auto found, snapshot::snapshots_of(repository.manifests(), source, context.stop()));
    if (found.empty()) {
      return error(Code::not_found, "no snapshots for source {}", source.text());
    }
    return found;
  }
  auto one = snapshot::load_snapshot(repository.manifests(), word, context.stop());
  if (one.ok()) {
    std::vector<snapshot::SnapshotManifest> found;
    found.push_back(std::move(one).value());
    return found;
  }
  if (one.code() != Code::not_found) {
    return std::move(one).status().with_frame("error loading snapshot " + word);
  }
  auto found = by_root(context, repository, word);
  TRY(found, "error deleting snapshots by root ID {}", word);
  return found;
}

Status run_snapshot_delete(Context& context, const ParsedCommand& command) {
  TRY_ASSIGN(const auto repository, context.open_repository());
  for (const std::string& word : command.arguments("id")) {
    TRY_ASSIGN(const auto snapshots, selected(context, command, *repository, word));
    for (const snapshot::SnapshotManifest& each : snapshots) {
      TRY(delete_one(context, command, *repository, each), "error deleting {}", each.id);
    }
  }
  const bool deletes = command.boolean("delete") || command.boolean("unsafe-ignore-source");
  return deletes ? commit_writer(context, *repository) : Status();
}

}  // namespace

void add_snapshot_delete(CommandTable& table) {
  table.add(
      {.path = "snapshot delete",
       .help = "Delete snapshots",
       .arguments = {{.name = "id", .help = "Snapshot ids or root object ids", .required = true, .repeatable = true}},
       .flags = {{.name = "all-snapshots-for-source", .help = "The arguments are sources; delete all their snapshots"},
                 {.name = "delete", .help = "Confirm"},
                 {.name = "unsafe-ignore-source", .help = "The same as --delete", .hidden = true}},
       .run = run_snapshot_delete});
}

}  // namespace cairn::cli
