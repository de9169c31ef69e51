#include "cli/commands/commands.h"
#include "cli/format.h"
#include "cli/targets.h"
#include "snapshot/policy.h"

namespace cairn::cli {
namespace {

Status run_policy_delete(Context& context, const ParsedCommand& command) {
  TRY_ASSIGN(const auto repository, context.open_repository());
  TRY_ASSIGN(const auto targets, policy_targets(context, *repository, command));
  for (const snapshot::SourceInfo& target : targets) {
    context.notice("Removing policy on \"{}\"...", target.text());
    if (!command.boolean("dry-run")) {
      TRY(snapshot::remove_policy(repository->manifests(), target, context.stop()), "error removing policy on {}",
          target.text());
    }
  }
  return command.boolean("dry-run") ? Status() : commit_writer(context, *repository);
}

}  // namespace

void add_policy_delete(CommandTable& table) {
  std::vector<FlagSpec> flags = target_flags();
  flags.push_back({.name = "dry-run", .short_name = 'n', .help = "Only say what would be removed"});
  table.add({.path = "policy delete",
             .help = "Remove policies",
             .aliases = {"remove", "rm"},
             .arguments = target_arguments(),
             .flags = std::move(flags),
             .run = run_policy_delete});
}

}  // namespace cairn::cli
