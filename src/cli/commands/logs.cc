// logs list, show, cleanup: the logs that clients keep in the repository.
#include <algorithm>

#include "base/units.h"
#include "cli/commands/commands.h"
#include "cli/context.h"
#include "maintenance/blob_tasks.h"
#include "repo/repository_log.h"

namespace cairn::cli {
namespace {

using enum ValueType;
constexpr std::int64_t kMB = 1'000'000;

std::vector<FlagSpec> choice_flags() {
  return {{.name = "all", .help = "All logs"},
          {.name = "latest", .short_name = 'n', .type = integer, .help = "The newest N logs"},
          {.name = "younger-than", .type = duration, .help = "Only logs younger than this"},
          {.name = "older-than", .type = duration, .help = "Only logs older than this"}};
}

// Of the sessions in order of time, those that the flags ask for.
std::vector<repo::LogSession> chosen(std::vector<repo::LogSession> sessions, const ParsedCommand& command) {
  if (command.boolean("all")) {
    return sessions;
  }
  const Timestamp now = system_clock().now();
  std::erase_if(sessions, [&](const repo::LogSession& s) {
    const Duration age = now - s.start;
    return (command.given("younger-than") && age >= command.duration("younger-than")) ||
           (command.given("older-than") && age <= command.duration("older-than"));
  });
  const auto latest = static_cast<std::size_t>(std::max<std::int64_t>(0, command.integer("latest")));
  if (latest > 0 && sessions.size() > latest) {
    sessions.erase(sessions.begin(), sessions.end() - static_cast<std::ptrdiff_t>(latest));
  }
  return sessions;
}

Status run_list(Context& context, const ParsedCommand& command) {
  TRY_ASSIGN(const auto repository, context.open_repository({.read_only = true}));
  TRY_ASSIGN(auto sessions, repo::list_log_sessions(repository->storage(), context.stop()));
  const std::size_t total = sessions.size();
  const auto shown = chosen(std::move(sessions), command);
  for (const repo::LogSession& s : shown) {
    context.print("{} {} {} {} {} segments\n", s.id, display_time(s.start), go_duration(s.end - s.start),
                  bytes_text(s.bytes), s.segments.size());
  }
  if (shown.size() < total) {
    context.notice("NOTE: Listed {}/{} log sessions, pass --all to show all.", shown.size(), total);
  }
  return {};
}

Status run_show(Context& context, const ParsedCommand& command) {
  TRY_ASSIGN(const auto repository, context.open_repository({.read_only = true}));
  TRY_ASSIGN(auto sessions, repo::list_log_sessions(repository->storage(), context.stop()));
  const std::vector<std::string>& ids = command.arguments("session-id");
  if (!ids.empty()) {
    std::erase_if(sessions, [&](const auto& s) { return std::ranges::find(ids, s.id) == ids.end(); });
  }
  sessions = chosen(std::move(sessions), command);
  if (sessions.empty()) {
    return error(Code::not_found, "no logs found");
  }
  const bool asked = !ids.empty() || command.boolean("all") || command.given("latest") ||
                     command.given("younger-than") || command.given("older-than");
  if (!asked) {
    sessions.erase(sessions.begin(), sessions.end() - 1);
    context.notice("Showing the latest log ({})", display_time(sessions.front().start));
  }
  for (const repo::LogSession& s : sessions) {
    for (const blob::BlobMetadata& segment : s.segments) {
      TRY_ASSIGN(const Buffer text, repo::read_log_blob(repository->storage(), repository->contents().crypto(),
                                                        segment.id, context.stop()));
      context.write(text.text());
    }
  }
  return {};
}

Status run_cleanup(Context& context, const ParsedCommand& command) {
  const bool dry_run = command.boolean("dry-run");
  TRY_ASSIGN(const auto repository, context.open_repository({.read_only = dry_run}));
  maintenance::LogRetention retention;
  retention.max_age = command.duration("max-age");
  retention.max_count = command.integer("max-count");
  retention.max_total_bytes = command.integer("max-total-size-mb") * kMB;
  TRY_ASSIGN(const maintenance::CleanupLogsStats stats,
             maintenance::cleanup_logs(repository->storage(), retention, {repository->clock().now(), dry_run, {}}, {},
                                       context.stop()),
             "error deleting logs");
  if (stats.to_delete.count == 0) {
    context.notice("No logs found to delete.");
    return {};
  }
  if (dry_run) {
    context.notice("Would delete {} logs.", stats.to_delete.count);
    return {};
  }
  context.notice("Deleted {} logs.", stats.deleted.count);
  return {};
}

}  // namespace

void add_logs(CommandTable& table) {
  table.add(
      {.path = "logs", .help = "Commands on the logs kept in the repository", .aliases = {"log"}, .hidden = true});
  table.add({.path = "logs list", .help = "List logs", .aliases = {"ls"}, .flags = choice_flags(), .run = run_list});
  table.add({.path = "logs show",
             .help = "Print logs, the latest one when nothing is asked for",
             .aliases = {"cat"},
             .arguments = {{.name = "session-id", .help = "Ids of logs", .repeatable = true}},
             .flags = choice_flags(),
             .run = run_show});
  table.add({.path = "logs cleanup",
             .help = "Delete old logs",
             .flags = {{.name = "max-age", .type = duration, .default_value = "720h", .help = "Keep younger logs"},
                       {.name = "max-count", .type = integer, .default_value = "10000", .help = "Keep this many logs"},
                       {.name = "max-total-size-mb",
                        .type = integer,
                        .default_value = "1024",
                        .help = "Keep logs of this size in total, in MB"},
                       {.name = "dry-run", .help = "Only say what would be deleted"}},
             .run = run_cleanup});
}

}  // namespace cairn::cli
