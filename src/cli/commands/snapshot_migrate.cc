#include <algorithm>

#include "cli/commands/commands.h"
#include "cli/other_repository.h"
#include "cli/targets.h"
#include "snapshot/migrate.h"

namespace cairn::cli {
namespace {

using enum ValueType;

Result<std::vector<snapshot::SourceInfo>> chosen_sources(Context& context, const ParsedCommand& command,
                                                         repo::Repository& source) {
  if (command.boolean("all")) {
    return snapshot::list_sources(source.manifests(), context.stop());
  }
  if (command.list("sources").empty()) {
    return error(Code::invalid_argument, "must specify either --all or --sources");
  }
  std::vector<snapshot::SourceInfo> sources;
  for (const std::string& text : command.list("sources")) {
    TRY_ASSIGN(sources.emplace_back(), parse_source(source, text));
  }
  return sources;
}

Status migrate_policies(Context& context, const ParsedCommand& command, repo::Repository& from, repo::Repository& to,
                        const std::vector<snapshot::SourceInfo>& sources) {
  TRY_ASSIGN(const auto policies, snapshot::list_policies(from.manifests(), context.stop()), "error listing policies");
  for (const snapshot::PolicyRecord& record : policies) {
    if (!command.boolean("all") && std::ranges::find(sources, record.target) == sources.end()) {
      continue;
    }
    const auto present = snapshot::defined_policy(to.manifests(), record.target, context.stop());
    if (present.ok() && !command.boolean("overwrite-policies")) {
      context.notice("policy already set for {}", record.target.text());
      continue;
    }
    if (!present.ok() && present.code() != Code::not_found) {
      return present.status();
    }
    context.notice("migrating policy for {}", record.target.text());
    TRY(snapshot::set_policy(to.manifests(), record.target, record.policy, context.stop()), "can't save policy for {}",
        record.target.text());
  }
  return {};
}

Status run_snapshot_migrate(Context& context, const ParsedCommand& command) {
  TRY_ASSIGN(const auto to, context.open_repository());
  TRY_ASSIGN(const auto from, open_other_repository(context, {.config_path = command.text("source-config"),
                                                              .role = "source repository",
                                                              .password = context.given_password(),
                                                              .read_only = true}));
  TRY_ASSIGN(const auto sources, chosen_sources(context, command, *from), "can't retrieve sources");
  if (command.boolean("policies")) {
    TRY(migrate_policies(context, command, *from, *to, sources));
  }
  const auto about = [](const snapshot::SnapshotManifest& s) {
    return s.source.text() + " at " + display_time(s.start_time);
  };
  snapshot::Migration migration(*from, *to,
                                {.latest_only = command.boolean("latest-only"),
                                 .apply_ignore_rules = command.boolean("apply-ignore-rules"),
                                 .parallel = 0},
                                {.on_snapshot =
                                     [&](const snapshot::SnapshotManifest& s, bool already) {
                                       context.notice("{} {}", already ? "already migrated" : "migrating snapshot of",
                                                      about(s));
                                     },
                                 .on_error =
                                     [&](const snapshot::SnapshotManifest& s, const Status& status) {
                                       context.warn("unable to migrate snapshot of {}: {}", about(s), status.message());
                                     }});
  Status first;
  for (const snapshot::SourceInfo& source : sources) {
    Status status = migration.migrate(source, context.stop());
    if (status.is(Code::cancelled)) {
      return status;
    }
    first = first.ok() ? std::move(status).with_frame("unable to migrate " + source.text()) : std::move(first);
  }
  TRY(flush_writer(context, *to));
  TRY(std::move(first));
  context.notice("\r\nMigration finished.");
  return {};
}

}  // namespace

void add_snapshot_migrate(CommandTable& table) {
  table.add(
      {.path = "snapshot migrate",
       .help = "Copy snapshots from another repository",
       .flags = {{.name = "source-config",
                  .type = existing_file,
                  .help = "Configuration file of the repository to read",
                  .required = true},
                 {.name = "sources", .type = text, .help = "Sources to migrate", .repeatable = true},
                 {.name = "all", .help = "Migrate all sources"},
                 {.name = "policies", .default_value = "true", .help = "Migrate policies too"},
                 {.name = "overwrite-policies", .help = "Replace policies that are there"},
                 {.name = "latest-only", .help = "Migrate only the latest snapshot of each source"},
                 {.name = "parallel",
                  .type = integer,
                  .default_value = "1",
                  .help = "Accepted; sources are migrated one after the other, their files by all processors"},
                 {.name = "apply-ignore-rules", .help = "Leave out what the ignore rules of the destination exclude"}},
       .run = run_snapshot_migrate});
}

}  // namespace cairn::cli
