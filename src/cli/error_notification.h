// Telling the profiles of a repository that a command failed (kopia-interfaces §1.3).
#pragma once

#include "cli/context.h"
#include "notify/message.h"

namespace cairn::cli {

notify::Event new_event(Context& context, repo::Repository& repository, std::string kind);

// Sends the generic-error notification when --error-notifications allows it and the command had opened a repository.
// A failure to do so is a warning.
void notify_about_failure(Context& context, const Status& failure, Timestamp started);

}  // namespace cairn::cli
