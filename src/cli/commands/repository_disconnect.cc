#include "cli/commands/commands.h"
#include "cli/context.h"
#include "cli/key_ring.h"
#include "sys/file.h"

namespace cairn::cli {
namespace {

Status run_disconnect(Context& context, const ParsedCommand&) {
  constexpr std::string_view kFrame = "unable to disconnect from repository";
  if (!sys::file_exists(context.config_path())) {
    return error(Code::not_found, "{}: error loading config file: open {}: no such file or directory", kFrame,
                 context.config_path());
  }
  TRY(forget_password(context));
  return repo::disconnect(context.config_path()).with_frame(kFrame);
}

}  // namespace

void add_repository_disconnect(CommandTable& table) {
  table.add({.path = "repository disconnect", .help = "Forget the connection and its cache", .run = run_disconnect});
}

}  // namespace cairn::cli
