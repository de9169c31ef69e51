#include "cli/commands/commands.h"
#include "cli/context.h"
#include "content/session.h"

namespace cairn::cli {
namespace {

Status run_session_list(Context& context, const ParsedCommand&) {
  TRY_ASSIGN(const auto repository, context.open_repository({.read_only = true}));
  TRY_ASSIGN(const auto sessions,
             content::list_sessions(repository->storage(), repository->contents().crypto(), context.stop()),
             "error listing sessions");
  for (const content::SessionInfo& s : sessions) {
    context.print("{} {}@{} {} {}\n", s.id, s.username, s.hostname, display_time(s.start_time),
                  display_time(s.checkpoint_time));
  }
  return {};
}

}  // namespace

void add_session_list(CommandTable& table) {
  table.add({.path = "session", .help = "Commands on write sessions", .hidden = true});
  table.add({.path = "session list",
             .help = "List the write sessions that are not finished",
             .aliases = {"ls"},
             .run = run_session_list});
}

}  // namespace cairn::cli
