#include "notify/profile.h"

#include <algorithm>

namespace cairn::notify {
namespace {

constexpr std::string_view kType = "notificationProfile";
constexpr std::int64_t kDefaultSmtpPort = 587;

struct SeverityFact {
  int value;
  std::string_view name;
};
constexpr SeverityFact kSeverities[] = {
    {-100, "verbose"}, {-10, "success"}, {0, "report"}, {10, "warning"}, {20, "error"}};

manifest::Labels labels_of(const std::string& name) { return {{"type", std::string(kType)}, {"profile", name}}; }

void set_default(Json& config, std::string_view key, const Json& value) {
  if (config[key].is_empty_value()) {
    config.set(key, value);
  }
}

Status invalid(std::string_view what) { return error(Code::invalid_argument, "{}", what); }

Status complete_email(Json& c) {
  if (c["smtpServer"].as_string().empty()) {
    return invalid("SMTP server must be provided");
  }
  if (c["from"].as_string().empty()) {
    return invalid("From address must be provided");
  }
  if (c["to"].as_string().empty()) {
    return invalid("To address must be provided");
  }
  set_default(c, "smtpPort", kDefaultSmtpPort);
  set_default(c, "format", "html");
  for (const char* key : {"smtpIdentity", "smtpUsername", "smtpPassword", "cc"}) {
    set_default(c, key, "");
  }
  return {};
}

Status complete_pushover(Json& c) {
  if (c["appToken"].as_string().empty()) {
    return invalid("App Token must be provided");
  }
  if (c["userKey"].as_string().empty()) {
    return invalid("User Key must be provided");
  }
  set_default(c, "format", "txt");
  return {};
}

Status complete_webhook(Json& c) {
  const std::string& endpoint = c["endpoint"].as_string();
  const std::size_t scheme = endpoint.find("://");
  if (scheme == std::string::npos || scheme == 0) {
    return invalid("invalid endpoint");
  }
  if (!endpoint.starts_with("http://") && !endpoint.starts_with("https://")) {
    return invalid("invalid endpoint scheme, must be http:// or https://");
  }
  set_default(c, "method", "POST");
  set_default(c, "format", "txt");
  set_default(c, "headers", "");
  return {};
}

}  // namespace

std::string severity_name(int severity) {
  for (const SeverityFact& fact : kSeverities) {
    if (fact.value == severity) {
      return std::string(fact.name);
    }
  }
  return std::to_string(severity);
}

Result<int> parse_severity(std::string_view name) {
  for (const SeverityFact& fact : kSeverities) {
    if (fact.name == name) {
      return int{fact.value};
    }
  }
  return error(Code::invalid_argument, "unknown severity \"{}\"", name);
}

Json Profile::to_json() const {
  return Json::object({{"profile", name},
                       {"method", Json::object({{"type", method}, {"config", config}})},
                       {"minSeverity", min_severity}});
}

Profile Profile::from_json(const Json& json) {
  Profile p;
  p.name = json["profile"].as_string();
  p.method = json["method"]["type"].as_string();
  p.config = json["method"]["config"];
  p.min_severity = static_cast<int>(json["minSeverity"].as_int());
  std::ranges::sort(p.config.members_mut(), {}, &Json::Member::first);
  return p;
}

std::string Profile::summary() const {
  if (method == "email") {
    return fmt::format("SMTP server: \"{}\", Mail from: \"{}\" Mail to: \"{}\" Format: \"{}\"", text("smtpServer"),
                       text("from"), text("to"), text("format"));
  }
  if (method == "pushover") {
    return fmt::format("Pushover user \"{}\" app \"{}\" format \"{}\"", text("userKey"), text("appToken"),
                       text("format"));
  }
  if (method == "webhook") {
    return fmt::format("Webhook {} {} Format \"{}\"", text("method"), text("endpoint"), text("format"));
  }
  return fmt::format("unknown method \"{}\"", method);
}

Status complete(Profile& profile) {
  (void)profile.config.members_mut();  // an object from now on
  if (profile.method == "email") {
    TRY(complete_email(profile.config));
  } else if (profile.method == "pushover") {
    TRY(complete_pushover(profile.config));
  } else if (profile.method == "webhook") {
    TRY(complete_webhook(profile.config));
  } else {
    return error(Code::unsupported, "sender type '{}' not registered", profile.method);
  }
  const std::string& format = profile.config["format"].as_string();
  if (format != "txt" && format != "html") {
    return error(Code::invalid_argument, "invalid format: {}", format);
  }
  std::ranges::sort(profile.config.members_mut(), {}, &Json::Member::first);
  return {};
}

Result<std::vector<Profile>> list_profiles(manifest::ManifestManager& manifests, std::stop_token stop) {
  TRY_ASSIGN(const auto found, manifests.find_with_payload({{"type", std::string(kType)}}, stop),
             "unable to list notification profiles");
  std::vector<Profile> out;
  for (const manifest::Manifest& m : found) {
    Profile p = Profile::from_json(m.payload);
    std::erase_if(out, [&](const Profile& older) { return older.name == p.name; });
    out.push_back(std::move(p));
  }
  return out;
}

Result<Profile> find_profile(manifest::ManifestManager& manifests, const std::string& name, std::stop_token stop) {
  TRY_ASSIGN(const auto found, manifests.find_with_payload(labels_of(name), stop));
  if (found.empty()) {
    return error(Code::not_found, "profile not found");
  }
  return Profile::from_json(found.back().payload);
}

Status save_profile(manifest::ManifestManager& manifests, const Profile& profile, std::stop_token stop) {
  return manifests.replace(labels_of(profile.name), profile.to_json(), stop).status();
}

Status delete_profile(manifest::ManifestManager& manifests, const std::string& name, std::stop_token stop) {
  TRY_ASSIGN(const auto found, manifests.find(labels_of(name), stop));
  for (const manifest::ManifestMetadata& m : found) {
    TRY(manifests.remove(m.id, stop));
  }
  return {};
}

}  // namespace cairn::notify
