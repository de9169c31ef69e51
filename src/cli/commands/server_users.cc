// server users add, set, list, info, delete, hash-password: straight on the repository.
#include "auth/users.h"
#include "cli/auto_maintenance.h"
#include "cli/commands/commands.h"
#include "cli/context.h"
#include "cli/format.h"
#include "cli/password.h"
#include "cli/targets.h"

namespace cairn::cli {
namespace {

using enum ValueType;

std::vector<FlagSpec> password_flags() {
  return {
      {.name = "ask-password", .help = "Ask for the password of the user"},
      {.name = "user-password", .type = text, .help = "Password of the user"},
      {.name = "user-password-hash", .type = text, .help = "Password hash, as 'server users hash-password' gives it"}};
}

Status set_asked_password(Context& context, auth::UserProfile& user) {
  TRY_ASSIGN(std::string password, ask_new_password(context, "Enter new password for user " + user.username + ": "),
             "error asking for password");
  const Status set = user.set_password(password);
  wipe(password);
  return set;
}

// False when no flag asks for a new password.
Result<bool> set_given_password(Context& context, const ParsedCommand& command, auth::UserProfile& user) {
  if (const std::string& password = command.text("user-password"); !password.empty()) {
    TRY(user.set_password(password), "error setting password");
    return true;
  }
  if (const std::string& hash = command.text("user-password-hash"); !hash.empty()) {
    TRY(user.set_password_hash(hash), "error setting password hash");
    return true;
  }
  if (command.boolean("ask-password")) {
    TRY(set_asked_password(context, user));
    return true;
  }
  return false;
}

Status store(Context& context, repo::Repository& repository, const auth::UserProfile& user) {
  TRY(auth::save_user(repository.manifests(), user, context.stop()), "error setting user profile");
  TRY(flush_writer(context, repository));
  context.notice(
      "\nUpdated user credentials will take effect in 5-10 minutes or when the server is restarted.\n"
      "To refresh credentials in a running server use '{} server refresh' command.\n",
      context.program());
  run_due_maintenance(context, repository);
  return {};
}

Status run_add(Context& context, const ParsedCommand& command) {
  constexpr std::string_view kFrame = "error getting new user profile";
  auth::UserProfile user;
  user.username = command.argument("username");
  TRY_ASSIGN(const auto repository, context.open_repository());
  if (!auth::is_valid_username(user.username)) {
    return error(Code::invalid_argument, "{}: username must be specified as lowercase 'user@hostname'", kFrame);
  }
  const auto existing = auth::find_user(repository->manifests(), user.username, context.stop());
  if (existing.ok()) {
    return error(Code::already_exists, "{}: {}: user already exists", kFrame, user.username);
  }
  if (existing.code() != Code::not_found) {
    return existing.status().with_frame(kFrame);
  }
  TRY_ASSIGN(const bool given, set_given_password(context, command, user));
  if (!given) {
    TRY(set_asked_password(context, user));
  }
  return store(context, *repository, user);
}

Result<auth::UserProfile> existing_user(Context& context, const ParsedCommand& command, repo::Repository& repository) {
  const std::string& name = command.argument("username");
  TRY_ASSIGN(auto user, auth::find_user(repository.manifests(), name, context.stop()), "error getting user profile: {}",
             name);
  return user;
}

Status run_set(Context& context, const ParsedCommand& command) {
  TRY_ASSIGN(const auto repository, context.open_repository());
  TRY_ASSIGN(auth::UserProfile user, existing_user(context, command, *repository));
  TRY_ASSIGN(const bool changed, set_given_password(context, command, user));
  if (!changed) {
    return error(Code::failed_precondition, "no change");
  }
  return store(context, *repository, user);
}

Status run_list(Context& context, const ParsedCommand& command) {
  TRY_ASSIGN(const auto repository, context.open_repository({.read_only = true}));
  TRY_ASSIGN(const auto users, auth::list_users(repository->manifests(), context.stop()),
             "error listing user profiles");
  if (!command.boolean("json")) {
    for (const auth::UserProfile& user : users) {
      context.print("{}\n", user.username);
    }
    return {};
  }
  JsonList list(context, command);
  for (const auth::UserProfile& user : users) {
    list.add(user.to_json());
  }
  list.end();
  return {};
}

Status run_info(Context& context, const ParsedCommand& command) {
  TRY_ASSIGN(const auto repository, context.open_repository({.read_only = true}));
  TRY_ASSIGN(const auth::UserProfile user, existing_user(context, command, *repository));
  context.write(user.to_json().dump(2));
  return {};
}

Status run_delete(Context& context, const ParsedCommand& command) {
  TRY_ASSIGN(const auto repository, context.open_repository());
  const std::string& name = command.argument("username");
  TRY(auth::delete_user(repository->manifests(), name, context.stop()), "error deleting user profile");
  TRY(flush_writer(context, *repository));
  context.notice("User \"{}\" deleted.", name);
  run_due_maintenance(context, *repository);
  return {};
}

Status run_hash(Context& context, const ParsedCommand& command) {
  std::string password = command.text("user-password");
  if (password.empty()) {
    TRY_ASSIGN(password, ask_new_password(context, "Enter password to hash: "),
               "error getting password: error asking for password");
  }
  auth::UserProfile user;
  const Status set = user.set_password(password);
  wipe(password);
  TRY(set, "error hashing password");
  context.print("{}\n", user.hash_text());
  return {};
}

}  // namespace

void add_server_users(CommandTable& table) {
  table.add({.path = "server", .help = "Commands on the repository server"});
  table.add({.path = "server users", .help = "Commands on the users of the server", .aliases = {"user"}});
  const std::vector<ArgumentSpec> username = {{.name = "username", .help = "user@host", .required = true}};
  table.add({.path = "server users add",
             .help = "Add a user",
             .aliases = {"create"},
             .arguments = username,
             .flags = password_flags(),
             .run = run_add});
  table.add({.path = "server users set",
             .help = "Change the password of a user",
             .aliases = {"update"},
             .arguments = username,
             .flags = password_flags(),
             .run = run_set});
  table.add(
      {.path = "server users list", .help = "List users", .aliases = {"ls"}, .flags = json_flags(), .run = run_list});
  table.add({.path = "server users info", .help = "Print a user", .arguments = username, .run = run_info});
  table.add({.path = "server users delete",
             .help = "Delete a user",
             .aliases = {"remove", "rm"},
             .arguments = username,
             .run = run_delete});
  table.add({.path = "server users hash-password",
             .help = "Print the hash of a password, for --user-password-hash",
             .aliases = {"hash"},
             .flags = {{.name = "user-password", .type = text, .help = "Password to hash; asked for when not given"}},
             .run = run_hash});
}

}  // namespace cairn::cli
