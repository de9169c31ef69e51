#include "notify/message.h"

#include <map>

#include "base/units.h"
#include "notify/template.h"

namespace cairn::notify {
namespace {

constexpr std::string_view kType = "notificationTemplate";

manifest::Labels labels_of(const std::string& name) { return {{"type", std::string(kType)}, {"template", name}}; }

std::string time_text(Timestamp t) { return display_time(t); }

}  // namespace

Message parse_message(std::string_view rendered, bool html) {
  Message m;
  m.html = html;
  std::string_view rest = rendered;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = trim(rest.substr(0, end));
    const std::size_t colon = line.find(':');
    const std::string_view after = rest.substr(std::min(end + 1, rest.size()));
    if (line.empty()) {
      m.body = after;
      return m;
    }
    const std::string_view name = line.substr(0, colon);
    if (colon == std::string_view::npos || name.find_first_of(" \t<>\"{}") != std::string_view::npos) {
      m = Message{};
      m.html = html;
      m.body = rendered;
      return m;
    }
    const std::string value(trim(line.substr(colon + 1)));
    if (equals_ignore_case(name, "Subject")) {
      m.subject = value;
    } else {
      m.headers.emplace_back(std::string(name), value);
    }
    rest = after;
  }
  return m;
}

Result<std::vector<TemplateInfo>> list_templates(manifest::ManifestManager& manifests, std::stop_token stop) {
  std::map<std::string, TemplateInfo> by_name;
  for (const std::string& name : builtin_template_names()) {
    by_name[name] = {name, true, std::nullopt};
  }
  TRY_ASSIGN(const auto found, manifests.find({{"type", std::string(kType)}}, stop));
  for (const manifest::ManifestMetadata& m : found) {
    const auto label = m.labels.find("template");
    if (label != m.labels.end()) {
      TemplateInfo& info = by_name[label->second];
      info.name = label->second;
      info.modified = m.modified;
    }
  }
  std::vector<TemplateInfo> out;
  for (auto& [name, info] : by_name) {
    out.push_back(std::move(info));
  }
  return out;
}

Result<std::optional<std::string>> custom_template(manifest::ManifestManager& manifests, const std::string& name,
                                                   std::stop_token stop) {
  TRY_ASSIGN(const auto found, manifests.find_with_payload(labels_of(name), stop));
  if (found.empty()) {
    return std::optional<std::string>();
  }
  return std::optional(found.back().payload["template"].as_string());
}

Status save_template(manifest::ManifestManager& manifests, const std::string& name, const std::string& text,
                     std::stop_token stop) {
  return manifests.replace(labels_of(name), Json::object({{"template", text}}), stop).status();
}

Status delete_template(manifest::ManifestManager& manifests, const std::string& name, std::stop_token stop) {
  TRY_ASSIGN(const auto found, manifests.find(labels_of(name), stop));
  for (const manifest::ManifestMetadata& m : found) {
    TRY(manifests.remove(m.id, stop));
  }
  return {};
}

Result<Message> render_message(manifest::ManifestManager& manifests, const Event& event, const std::string& profile,
                               const std::string& format, std::stop_token stop) {
  const std::string name = event.kind + "." + format;
  std::optional<std::string> text;
  for (const std::string& candidate : {profile + "." + name, name}) {
    if (!text) {
      TRY_ASSIGN(text, custom_template(manifests, candidate, stop), "notification template {}", candidate);
    }
  }
  if (!text) {
    const char* builtin = builtin_template(name);
    if (builtin == nullptr) {
      return error(Code::not_found, "there is no notification template {}", name);
    }
    text = builtin;
  }
  const Json data = Json::object({{"EventTime", time_text(event.time)},
                                  {"Hostname", event.hostname},
                                  {"Program", event.program},
                                  {"Version", event.version},
                                  {"EventArgs", event.arguments}});
  TRY_ASSIGN(const std::string rendered, render_template(*text, data), "notification template {}", name);
  return parse_message(rendered, format == "html");
}

}  // namespace cairn::notify
