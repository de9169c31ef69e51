#include "cli/commands/commands.h"
#include "cli/format.h"
#include "cli/policy_editor.h"
#include "cli/targets.h"

namespace cairn::cli {
namespace {

Status set_one(Context& context, const ParsedCommand& command, repo::Repository& repository,
               const snapshot::SourceInfo& target) {
  auto defined = snapshot::defined_policy(repository.manifests(), target, context.stop());
  if (!defined.ok() && defined.code() != Code::not_found) {
    return std::move(defined).status().with_frame(
        fmt::format("could not get defined policy for \"{}\"", target.text()));
  }
  snapshot::Policy policy = defined.ok() ? std::move(defined->policy) : snapshot::Policy{};
  context.notice("Setting policy for {}", target.text());
  PolicyEditor editor(context, command, policy);
  TRY(editor.apply());
  if (editor.changes() == 0) {
    return error(Code::invalid_argument, "no changes specified");
  }
  return snapshot::set_policy(repository.manifests(), target, policy, context.stop())
      .status()
      .with_frame(fmt::format("can't save policy for {}", target.text()));
}

Status run_policy_set(Context& context, const ParsedCommand& command) {
  TRY_ASSIGN(const auto repository, context.open_repository());
  TRY_ASSIGN(const auto targets, policy_targets(context, *repository, command));
  for (const snapshot::SourceInfo& target : targets) {
    TRY(set_one(context, command, *repository, target));
  }
  return commit_writer(context, *repository);
}

}  // namespace

void add_policy_set(CommandTable& table) {
  std::vector<FlagSpec> flags = target_flags();
  append_flags(flags, policy_flags());
  table.add({.path = "policy set",
             .help = "Change the policy of targets",
             .arguments = target_arguments(),
             .flags = std::move(flags),
             .run = run_policy_set});
}

}  // namespace cairn::cli
