// Notification profiles: where messages go and which. Manifests of type "notificationProfile". (kopia-model §4.6)
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "manifest/manifest_manager.h"

namespace cairn::notify {

enum class Severity : int { verbose = -100, success = -10, report = 0, warning = 10, error = 20 };
std::string severity_name(int severity);  // its number when it has no name
Result<int> parse_severity(std::string_view name);
inline constexpr const char* kSeverityNames[] = {"verbose", "success", "report", "warning", "error"};

struct Profile {
  std::string name;
  std::string method;  // "email", "pushover", "webhook"
  Json config;         // keys of the method, sorted
  int min_severity = 0;

  Json to_json() const;
  static Profile from_json(const Json& json);
  // One line for people; no secrets but the user's own keys, as Kopia shows it.
  std::string summary() const;
  std::string text(std::string_view key) const { return config[key].as_string(); }
};

// Fills defaults and sorts the keys. Errors: invalid_argument (what is missing or wrong), unsupported (method).
Status complete(Profile& profile);

// In order of their last change; unknown methods of newer programs are listed too.
Result<std::vector<Profile>> list_profiles(manifest::ManifestManager& manifests, std::stop_token stop);
// Errors: not_found "profile not found".
Result<Profile> find_profile(manifest::ManifestManager& manifests, const std::string& name, std::stop_token stop);
// The caller flushes.
Status save_profile(manifest::ManifestManager& manifests, const Profile& profile, std::stop_token stop);
Status delete_profile(manifest::ManifestManager& manifests, const std::string& name, std::stop_token stop);

}  // namespace cairn::notify
