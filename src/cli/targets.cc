#include "cli/targets.h"

#include "cli/auto_maintenance.h"

#include <filesystem>

#include "snapshot/policy.h"

namespace cairn::cli {

Result<snapshot::SourceInfo> parse_source(repo::Repository& repository, const std::string& text) {
  std::error_code ignored;
  const std::string here = std::filesystem::current_path(ignored).string();
  Result<snapshot::SourceInfo> parsed =
      snapshot::SourceInfo::parse(text, repository.client().hostname, repository.client().username, here);
  TRY(parsed, "unable to parse source info: \"{}\"", text);
  return parsed;
}

std::vector<FlagSpec> target_flags() { return {{.name = "global", .help = "The global policy"}}; }

std::vector<ArgumentSpec> target_arguments() {
  return {{.name = "target",
           .help = "Targets: a path, user@host:/path, user@host, @host, (global) or a policy id",
           .repeatable = true}};
}

Result<std::vector<snapshot::SourceInfo>> policy_targets(Context& context, repo::Repository& repository,
                                                         const ParsedCommand& command) {
  if (command.boolean("global") == !command.arguments("target").empty()) {
    return error(Code::invalid_argument, "must pass either '--global' or a list of path targets");
  }
  return optional_policy_targets(context, repository, command);
}

Result<std::vector<snapshot::SourceInfo>> optional_policy_targets(Context& context, repo::Repository& repository,
                                                                  const ParsedCommand& command) {
  std::vector<snapshot::SourceInfo> targets;
  if (command.boolean("global")) {
    targets.emplace_back();
  }
  for (const std::string& word : command.arguments("target")) {
    if (auto by_id = snapshot::policy_by_id(repository.manifests(), word, context.stop()); by_id.ok()) {
      targets.push_back(by_id->target);
      continue;
    }
    TRY_ASSIGN(targets.emplace_back(), parse_source(repository, word));
  }
  return targets;
}

Status flush_writer(Context& context, repo::Repository& repository) {
  if (repository.read_only()) {
    return error(Code::permission_denied, "error flushing writer: storage is read-only");
  }
  return repository.flush(context.stop()).with_frame("error flushing writer");
}

Status commit_writer(Context& context, repo::Repository& repository) {
  TRY(flush_writer(context, repository));
  run_due_maintenance(context, repository);
  return {};
}

}  // namespace cairn::cli
