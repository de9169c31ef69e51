// Ways of sending a message, and one event to every profile that wants it.
#pragma once

#include "notify/message.h"
#include "notify/profile.h"

namespace cairn::notify {

// Errors: "error sending webhook notification: …" and the like; codes of net. Neither passwords, keys nor the path of
// an endpoint stand in the message.
Status send_message(const Profile& profile, const Message& message, std::stop_token stop);

// Renders and sends one event to one profile. Errors carry the frame "unable to send notification message".
Status notify_profile(manifest::ManifestManager& manifests, const Profile& profile, const Event& event,
                      std::stop_token stop);

// To every profile whose minimum is not above `severity`. All are tried; the first error is returned.
Status notify_all(manifest::ManifestManager& manifests, const Event& event, Severity severity, std::stop_token stop);

}  // namespace cairn::notify
