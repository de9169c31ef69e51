#include "cli/commands/commands.h"
#include "cli/context.h"

namespace cairn::cli {
namespace {

using enum ValueType;

struct Change {
  Context& context;
  const ParsedCommand& command;
  repo::ClientOptions& client;
  bool any = false;

  void read_only() {
    if (command.boolean("read-only")) {
      set_mode(true, "read-only");
    }
    if (command.boolean("read-write")) {
      set_mode(false, "read-write");
    }
  }
  void set_mode(bool wanted, std::string_view name) {
    if (client.readonly == wanted) {
      context.notice("Repository is already in {} mode.", name);
      return;
    }
    client.readonly = wanted;
    any = true;
    context.notice("Setting repository to {} mode.", name);
  }
  void text(std::string_view flag, std::string_view what, std::string& field) {
    if (!command.given(flag)) {
      return;
    }
    field = command.text(flag);
    any = true;
    context.notice("Setting {} to {}", what, field);
  }
  void format_cache() {
    if (command.boolean("disable-repository-format-cache")) {
      client.format_blob_cache_duration = {-1};
      any = true;
      context.notice("Disabling format blob cache");
    } else if (command.given("repository-format-cache-duration")) {
      client.format_blob_cache_duration = command.duration("repository-format-cache-duration");
      any = true;
      context.notice("Setting format blob cache duration to {}", go_duration(client.format_blob_cache_duration));
    }
  }
};

Status run_set_client(Context& context, const ParsedCommand& command) {
  std::string storage_name;
  {  // only who may open it may change the connection
    TRY_ASSIGN(const auto repository, context.open_repository({.read_only = true}));
    storage_name = repository->storage().display_name();
  }
  TRY_ASSIGN(repo::LocalConfig config, repo::LocalConfig::load(context.config_path()));
  if (config.client.description.empty()) {
    config.client.description = "Repository in " + storage_name;
  }
  Change change{context, command, config.client};
  change.read_only();
  if (command.boolean("permissive-cache-loading")) {
    context.notice("Repository fails on read of bad index blobs.");
  }
  change.text("description", "description", config.client.description);
  change.text("username", "local username", config.client.username);
  change.text("hostname", "local hostname", config.client.hostname);
  change.format_cache();
  if (!change.any) {
    return error(Code::failed_precondition, "no changes");
  }
  return config.save(context.config_path());
}

}  // namespace

void add_repository_set_client(CommandTable& table) {
  table.add(
      {.path = "repository set-client",
       .help = "Change settings of this client's connection",
       .flags = {{.name = "read-only", .help = "Never write to the repository"},
                 {.name = "read-write", .help = "Allow writing to the repository"},
                 {.name = "permissive-cache-loading", .help = "Do not fail on damaged index blobs", .hidden = true},
                 {.name = "description", .type = text, .help = "Description of the connection", .repeatable = true},
                 {.name = "username", .type = text, .help = "User name of this client", .repeatable = true},
                 {.name = "hostname", .type = text, .help = "Host name of this client", .repeatable = true},
                 {.name = "repository-format-cache-duration",
                  .type = duration,
                  .help = "How long the repository format is cached"},
                 {.name = "disable-repository-format-cache", .help = "Do not cache the repository format"}},
       .run = run_set_client});
}

}  // namespace cairn::cli
