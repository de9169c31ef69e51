#include "cli/error_notification.h"

#include <unistd.h>

#include "cli/version.h"
#include "notify/sender.h"
#include "sys/terminal.h"

namespace cairn::cli {
namespace {

bool is_wanted(const Context& context, const Status& failure) {
  const std::string& when = context.command().text("error-notifications");
  if (when == "never" || failure.is(Code::cancelled)) {
    return false;
  }
  return when == "always" || !sys::is_terminal(STDOUT_FILENO) || !sys::is_terminal(STDIN_FILENO);
}

Status send(Context& context, repo::Repository& repository, const Status& failure, Timestamp started) {
  notify::Event event = new_event(context, repository, "generic-error");
  event.arguments = Json::object({{"Operation", context.command().command()->path},
                                  {"OperationDetails", ""},
                                  {"Error", failure.message()},
                                  {"StartTime", display_time(started)},
                                  {"EndTime", display_time(event.time)}});
  return notify::notify_all(repository.manifests(), event, notify::Severity::error, context.stop());
}

}  // namespace

notify::Event new_event(Context& context, repo::Repository& repository, std::string kind) {
  notify::Event event;
  event.kind = std::move(kind);
  event.time = system_clock().now();
  event.hostname = repository.client().hostname;
  event.program = context.program();
  event.version = version_text();
  return event;
}

void notify_about_failure(Context& context, const Status& failure, Timestamp started) {
  if (!is_wanted(context, failure)) {
    return;
  }
  const auto repository = context.reopen_repository();
  if (!repository.ok() || *repository == nullptr) {
    return;
  }
  // Where not even the profiles can be read, the failure itself says why.
  const auto profiles = notify::list_profiles((*repository)->manifests(), context.stop());
  if (!profiles.ok() || profiles->empty()) {
    return;
  }
  if (const Status sent = send(context, **repository, failure, started); !sent.ok()) {
    log::write(log::Level::warning, kLogModule, "unable to send notification",
               Json::object({{"err", sent.message()}}).dump());
  }
}

}  // namespace cairn::cli
