// From an event to the text that is sent: built-in templates, their replacements in the repository, rendering.
// (kopia-model §4.6)
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "manifest/manifest_manager.h"

namespace cairn::notify {

struct Message {
  std::string subject;
  std::vector<std::pair<std::string, std::string>> headers;  // without the subject
  std::string body;
  bool html = false;
};

// Header lines, an empty line, body. A text that does not begin with headers is all body.
Message parse_message(std::string_view rendered, bool html);

// Sorted names: "generic-error.html", …
std::vector<std::string> builtin_template_names();
// nullptr when there is none of that name.
const char* builtin_template(std::string_view name);

struct TemplateInfo {
  std::string name;
  bool builtin = false;               // such a template comes with the program
  std::optional<Timestamp> modified;  // set when the repository holds one
};
// Sorted by name.
Result<std::vector<TemplateInfo>> list_templates(manifest::ManifestManager& manifests, std::stop_token stop);
// nullopt when the repository holds none of that name.
Result<std::optional<std::string>> custom_template(manifest::ManifestManager& manifests, const std::string& name,
                                                   std::stop_token stop);
// Any text is kept: what is wrong with it shows when it is used. The callers flush.
Status save_template(manifest::ManifestManager& manifests, const std::string& name, const std::string& text,
                     std::stop_token stop);
Status delete_template(manifest::ManifestManager& manifests, const std::string& name, std::stop_token stop);

struct Event {
  std::string kind;  // a template: "test-notification", "generic-error", "snapshot-report"
  Timestamp time;
  std::string hostname, program, version;
  Json arguments;  // EventArgs
};

// By the template of the profile, else of the repository, else the built-in one. Errors: invalid_argument (template).
Result<Message> render_message(manifest::ManifestManager& manifests, const Event& event, const std::string& profile,
                               const std::string& format, std::stop_token stop);

}  // namespace cairn::notify
