#include "cli/commands/commands.h"
#include "cli/format.h"
#include "cli/throttle_view.h"

namespace cairn::cli {
namespace {

blob::ThrottleLimits limits_of(const repo::Repository& repository) {
  return blob::ThrottleLimits::from_json(repository.client().throttling_limits);
}

Status run_get(Context& context, const ParsedCommand& command) {
  TRY_ASSIGN(const auto repository, context.open_repository());
  print_limits(context, command, limits_of(*repository));
  return {};
}

Status run_set(Context& context, const ParsedCommand& command) {
  blob::ThrottleLimits limits;
  {  // only who may open it may change the connection
    TRY_ASSIGN(const auto repository, context.open_repository({.read_only = true}));
    limits = limits_of(*repository);
  }
  TRY_ASSIGN(const bool changed, change_limits(context, command, limits));
  if (!changed) {
    return {};
  }
  TRY_ASSIGN(repo::LocalConfig config, repo::LocalConfig::load(context.config_path()));
  config.client.throttling_limits = limits.to_json();
  return config.save(context.config_path());
}

}  // namespace

void add_repository_throttle(CommandTable& table) {
  table.add({.path = "repository throttle", .help = "Limits on the requests to the storage"});
  table.add({.path = "repository throttle get", .help = "Show the limits", .flags = json_flags(), .run = run_get});
  table.add({.path = "repository throttle set", .help = "Change limits", .flags = throttle_flags(), .run = run_set});
}

}  // namespace cairn::cli
