#include "cli/commands/commands.h"
#include "cli/connect_flow.h"
#include "cli/key_ring.h"
#include "cli/password.h"

namespace cairn::cli {
namespace {

Status run_change_password(Context& context, const ParsedCommand& command) {
  TRY_ASSIGN(const auto repository, context.open_repository());
  std::string password = command.text("new-password");
  if (password.empty()) {
    TRY_ASSIGN(password, ask_new_password(context, "Enter new password: "), "password entry");
  }
  const auto change = [&]() -> Status {
    TRY(repository->format().change_password(password, context.stop()), "unable to change password");
    forget_cached_format(context, *repository);
    if (command.boolean("persist-credentials")) {
      TRY(keep_password(context, password), "unable to persist password");
    } else {
      // A stored password that no longer opens anything would only confuse.
      TRY(forget_password(context));
    }
    context.notice("NOTE: Repository password has been changed.");
    return {};
  };
  Status changed = change();
  wipe(password);
  return changed;
}

}  // namespace

void add_repository_change_password(CommandTable& table) {
  table.add({.path = "repository change-password",
             .help = "Change the password; keys and data stay",
             .flags = {{.name = "new-password",
                        .type = ValueType::text,
                        .env = "KOPIA_NEW_PASSWORD",
                        .help = "The new password; asked for when it is not given"}},
             .run = run_change_password});
}

}  // namespace cairn::cli
