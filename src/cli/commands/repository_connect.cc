#include "cli/commands/commands.h"
#include "cli/connect_flow.h"
#include "cli/password.h"

namespace cairn::cli {
namespace {

using enum ValueType;

Status run_connect(Context& context, const ParsedCommand& command) {
  // Connecting must never write, whatever the connection will be used for.
  TRY_ASSIGN(Target target, open_target(context, command, {.read_only = true}));
  std::string password = target.token_password.empty() ? context.given_password() : target.token_password;
  if (password.empty()) {
    TRY_ASSIGN(password, ask_password(context, "Enter password to open repository: "), "getting password");
    context.write("\n");
  }
  Status status = connect_to(context, command, target.storage->connection_info(), password);
  wipe(password);
  return status;
}

Status run_connect_server(Context&, const ParsedCommand&) {
  return error(Code::unsupported,
               "error connecting to API server: connections to a repository server are not supported in "
               "this version");
}

}  // namespace

void add_repository_connect(CommandTable& table) {
  table.add({.path = "repository connect", .help = "Connect to an existing repository", .flags = connect_flags()});
  add_provider_commands(table, "repository connect", "Connect to a repository in", false, run_connect);
  table.add({.path = "repository connect server",
             .help = "Connect to a repository server",
             .flags = {{.name = "url", .type = text, .help = "URL of the server", .required = true},
                       {.name = "server-cert-fingerprint", .type = text, .help = "SHA-256 of the server's certificate"},
                       {.name = "local-cache-key-derivation-algorithm",
                        .type = choice,
                        .default_value = "scrypt-65536-8-1",
                        .help = "How the key of the local cache is derived",
                        .choices = {"scrypt-65536-8-1", "pbkdf2-sha256-600000"},
                        .hidden = true}},
             .run = run_connect_server});
}

}  // namespace cairn::cli
