#include "cli/commands/commands.h"
#include "cli/format.h"
#include "cli/policy_table.h"
#include "cli/targets.h"

namespace cairn::cli {
namespace {

Status run_policy_show(Context& context, const ParsedCommand& command) {
  TRY_ASSIGN(const auto repository, context.open_repository({.read_only = true}));
  TRY_ASSIGN(const auto targets, policy_targets(context, *repository, command));
  for (const snapshot::SourceInfo& target : targets) {
    TRY_ASSIGN(const auto effective, snapshot::effective_policy(repository->manifests(), target, context.stop()),
               "can't get effective policy for \"{}\"", target.text());
    if (command.boolean("json")) {
      print_json(context, command, effective.policy.to_json());
    } else {
      context.print("Policy for {}:\n\n{}", target.text(), policy_table(effective, target));
    }
  }
  return {};
}

}  // namespace

void add_policy_show(CommandTable& table) {
  std::vector<FlagSpec> flags = target_flags();
  append_flags(flags, json_flags());
  table.add({.path = "policy show",
             .help = "Show the policy in force for targets",
             .aliases = {"get"},
             .arguments = target_arguments(),
             .flags = std::move(flags),
             .run = run_policy_show});
}

}  // namespace cairn::cli
