#include <algorithm>

#include "cli/commands/commands.h"
#include "cli/targets.h"
#include "snapshot/resolve.h"
#include "snapshot/store.h"

namespace cairn::cli {
namespace {

// The snapshot with this id, or all with this root, newest first.
Result<std::vector<snapshot::SnapshotManifest>> selected(Context& context, repo::Repository& repository,
                                                         const std::string& word) {
  const std::string frame = "error pinning snapshots by root ID " + word;
  std::vector<snapshot::SnapshotManifest> found;
  auto one = snapshot::load_snapshot(repository.manifests(), word, context.stop());
  if (one.ok()) {
    found.push_back(std::move(one).value());
    return found;
  }
  const auto root = object::ObjectId::parse(word);
  if (!root.ok()) {
    return error(Code::invalid_argument, "{}: unable to parse object ID: {}", frame, snapshot::object_id_problem(word));
  }
  TRY_ASSIGN(found, snapshot::find_snapshots_by_root(repository.manifests(), *root, context.stop()), "{}", frame);
  if (found.empty()) {
    return error(Code::not_found, "{}: no snapshots matched {}", frame, word);
  }
  std::ranges::reverse(found);
  return found;
}

Status run_snapshot_pin(Context& context, const ParsedCommand& command) {
  if (command.list("add").empty() && command.list("remove").empty()) {
    return error(Code::invalid_argument, "must specify --add and/or --remove");
  }
  TRY_ASSIGN(const auto repository, context.open_repository());
  for (const std::string& word : command.arguments("id")) {
    TRY_ASSIGN(auto snapshots, selected(context, *repository, word));
    for (snapshot::SnapshotManifest& each : snapshots) {
      const bool changed = snapshot::update_pins(each, command.list("add"), command.list("remove"));
      context.notice("{} snapshot at {} of {}", changed ? "Updating" : "No change for", display_time(each.start_time),
                     each.source.text());
      if (changed) {
        TRY(snapshot::update_snapshot(repository->manifests(), each, context.stop()), "error updating snapshot");
      }
    }
  }
  return commit_writer(context, *repository);
}

}  // namespace

void add_snapshot_pin(CommandTable& table) {
  table.add(
      {.path = "snapshot pin",
       .help = "Add or remove pins, which keep a snapshot from expiring",
       .arguments = {{.name = "id", .help = "Snapshot ids or root object ids", .required = true, .repeatable = true}},
       .flags = {{.name = "add", .type = ValueType::text, .help = "Pin to add", .repeatable = true},
                 {.name = "remove", .type = ValueType::text, .help = "Pin to remove", .repeatable = true}},
       .run = run_snapshot_pin});
}

}  // namespace cairn::cli
