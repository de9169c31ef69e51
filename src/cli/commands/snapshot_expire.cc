#include <algorithm>

#include "cli/commands/commands.h"
#include "cli/targets.h"
#include "snapshot/store.h"

namespace cairn::cli {
namespace {

// Named sources, or with --all those of this user and host.
Result<std::vector<snapshot::SourceInfo>> chosen_sources(Context& context, const ParsedCommand& command,
                                                         repo::Repository& repository) {
  std::vector<snapshot::SourceInfo> sources;
  if (command.boolean("all")) {
    TRY_ASSIGN(const auto all, snapshot::list_sources(repository.manifests(), context.stop()));
    for (const snapshot::SourceInfo& source : all) {
      if (source.host == repository.client().hostname && source.user_name == repository.client().username) {
        sources.push_back(source);
      }
    }
  }
  for (const std::string& word : command.arguments("path")) {
    TRY_ASSIGN(snapshot::SourceInfo source, parse_source(repository, word));
    if (std::ranges::find(sources, source) == sources.end()) {
      sources.push_back(std::move(source));
    }
  }
  return sources;
}

Status run_snapshot_expire(Context& context, const ParsedCommand& command) {
  TRY_ASSIGN(const auto repository, context.open_repository());
  TRY_ASSIGN(const auto sources, chosen_sources(context, command, *repository));
  const bool remove = command.boolean("delete");
  bool changed = false;
  for (const snapshot::SourceInfo& source : sources) {
    TRY_ASSIGN(const auto expired, snapshot::apply_retention(repository->manifests(), source, remove, context.stop()));
    if (expired.empty()) {
      context.notice("Nothing to delete for {}.", source.text());
    } else if (remove) {
      context.notice("Deleted {} snapshots of {}...", expired.size(), source.text());
      changed = true;
    } else {
      context.notice("{} snapshot(s) of {} would be deleted. Pass --delete to do it.", expired.size(), source.text());
    }
  }
  return changed ? commit_writer(context, *repository) : Status();
}

}  // namespace

void add_snapshot_expire(CommandTable& table) {
  table.add({.path = "snapshot expire",
             .help = "Delete the snapshots that the retention policy no longer keeps",
             .arguments = {{.name = "path", .help = "Sources", .repeatable = true}},
             .flags = {{.name = "all", .help = "All sources of this user and host"},
                       {.name = "delete", .help = "Really delete"}},
             .run = run_snapshot_expire});
}

}  // namespace cairn::cli
