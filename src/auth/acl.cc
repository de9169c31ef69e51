#include "auth/acl.h"

#include <algorithm>

#include <fmt/ranges.h>

namespace cairn::auth {
namespace {

constexpr std::string_view kOwnUser = "OWN_USER", kOwnHost = "OWN_HOST";
constexpr std::pair<Access, std::string_view> kAccessNames[] = {
    {Access::none, "NONE"}, {Access::read, "READ"}, {Access::append, "APPEND"}, {Access::full, "FULL"}};

// Labels that a target of each type may name besides its type, sorted.
const std::map<std::string, std::vector<std::string_view>>& allowed_labels() {
  static const std::map<std::string, std::vector<std::string_view>> kAllowed = {
      {"acl", {}},
      {"content", {}},
      {"policy", {"hostname", "path", "policyType", "username"}},
      {"snapshot", {"hostname", "path", "username"}},
      {"user", {"username"}}};
  return kAllowed;
}

constexpr std::string_view kPolicyTypes[] = {"global", "host", "path", "user"};

void replace_all(std::string& text, std::string_view what, std::string_view with) {
  for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += with.size()) {
    text.replace(at, what.size(), with);
  }
}

bool side_matches(std::string_view pattern, std::string_view name) { return pattern == "*" || pattern == name; }

bool user_matches(std::string_view pattern, const Requester& requester) {
  const std::size_t at = pattern.find('@');
  return at != std::string_view::npos && pattern.find('@', at + 1) == std::string_view::npos &&
         side_matches(pattern.substr(0, at), requester.user) && side_matches(pattern.substr(at + 1), requester.host);
}

bool target_matches(const AclEntry& entry, const Requester& requester, const manifest::Labels& labels) {
  return std::ranges::all_of(entry.target, [&](const auto& wanted) {
    std::string value = wanted.second;
    replace_all(value, kOwnUser, requester.user);
    replace_all(value, kOwnHost, requester.host);
    const auto found = labels.find(wanted.first);
    return found != labels.end() && found->second == value;
  });
}

}  // namespace

std::string_view access_name(Access access) {
  for (const auto& [value, name] : kAccessNames) {
    if (value == access) {
      return name;
    }
  }
  return "NONE";
}

Result<Access> parse_access(std::string_view name) {
  for (const auto& [value, known] : kAccessNames) {
    if (known == name) {
      return Access{value};
    }
  }
  return error(Code::invalid_argument, "unknown access level \"{}\"", name);
}

Json AclEntry::payload() const {
  Json labels = Json::object();
  for (const auto& [key, value] : target) {
    labels.set(key, value);
  }
  return Json::object({{"user", user}, {"target", std::move(labels)}, {"access", access_name(access)}});
}

Result<AclEntry> AclEntry::from_manifest(const manifest::Manifest& manifest) {
  AclEntry entry;
  entry.id = manifest.metadata.id;
  entry.user = manifest.payload["user"].as_string();
  for (const auto& [key, value] : manifest.payload["target"].members()) {
    entry.target[key] = value.as_string();
  }
  const std::string& level = manifest.payload["access"].as_string();
  if (!level.empty()) {
    TRY_ASSIGN(entry.access, parse_access(level), "ACL entry {}", entry.id);
  }
  return entry;
}

Status AclEntry::validate() const {
  if (std::ranges::count(user, '@') != 1) {
    return error(Code::invalid_argument, "user must be 'username@hostname' possibly including wildcards");
  }
  const auto type = target.find("type");
  const auto allowed = type == target.end() ? allowed_labels().end() : allowed_labels().find(type->second);
  if (allowed == allowed_labels().end()) {
    return error(Code::invalid_argument, "invalid 'type' label, must be one of: acl, content, policy, snapshot, user");
  }
  for (const auto& [key, value] : target) {
    if (key == "type") {
      continue;
    }
    if (std::ranges::find(allowed->second, key) == allowed->second.end()) {
      return error(Code::invalid_argument, "unsupported label '{}' for type '{}', must be one of: {}", key,
                   type->second, fmt::join(allowed->second, ", "));
    }
    if (value.empty()) {
      return error(Code::invalid_argument, "label '{}' must not be empty", key);
    }
    if (key == "policyType" && std::ranges::find(kPolicyTypes, value) == std::end(kPolicyTypes)) {
      return error(Code::invalid_argument, "unsupported 'policyType' \"{}\", must be one of: {}", value,
                   fmt::join(kPolicyTypes, ", "));
    }
  }
  return {};
}

std::string AclEntry::target_text() const {
  const auto type = target.find("type");
  std::string out = "type=" + (type == target.end() ? std::string() : type->second);
  for (const auto& [key, value] : target) {
    if (key != "type") {
      out += "," + key + "=" + value;
    }
  }
  return out;
}

Access effective_access(const std::vector<AclEntry>& entries, const Requester& requester,
                        const manifest::Labels& labels) {
  Access highest = Access::none;
  for (const AclEntry& entry : entries) {
    if (entry.access > highest && user_matches(entry.user, requester) && target_matches(entry, requester, labels)) {
      highest = entry.access;
    }
  }
  return highest;
}

Access access_without_entries(const Requester& requester, const manifest::Labels& labels) {
  static const std::vector<AclEntry> kRules = {
      {"", "*@*", {{"type", "content"}}, Access::full},
      {"", "*@*", {{"type", "policy"}, {"policyType", "global"}}, Access::read},
      {"", "*@*", {{"type", "policy"}, {"policyType", "host"}, {"hostname", "OWN_HOST"}}, Access::read},
      {"", "*@*", {{"username", "OWN_USER"}, {"hostname", "OWN_HOST"}}, Access::full}};
  return effective_access(kRules, requester, labels);
}

Result<std::vector<AclEntry>> list_acl(manifest::ManifestManager& manifests, std::stop_token stop) {
  TRY_ASSIGN(const auto found, manifests.find_with_payload({{"type", "acl"}}, stop), "error listing ACL manifests");
  std::vector<AclEntry> out;
  for (const manifest::Manifest& m : found) {
    TRY_ASSIGN(AclEntry entry, AclEntry::from_manifest(m));
    out.push_back(std::move(entry));
  }
  return out;
}

Status add_acl(manifest::ManifestManager& manifests, const AclEntry& entry, bool overwrite, std::stop_token stop) {
  TRY(entry.validate(), "error validating ACL");
  TRY_ASSIGN(const auto entries, list_acl(manifests, stop));
  for (const AclEntry& old : entries) {
    if (old.user != entry.user || old.target != entry.target) {
      continue;
    }
    if (old.access > entry.access && !overwrite) {
      return error(Code::already_exists, "ACL entry for a given user and target already exists {}: {}", old.user,
                   old.target_text());
    }
    TRY(manifests.remove(old.id, stop), "error deleting previous ACL entry");
  }
  return manifests.put({{"type", "acl"}}, entry.payload(), stop).status().with_frame("error writing ACL entry");
}

std::vector<AclEntry> default_acl() {
  return {{"", "*@*", {{"type", "content"}}, Access::append},
          {"", "*@*", {{"type", "policy"}, {"policyType", "global"}}, Access::read},
          {"", "*@*", {{"type", "policy"}, {"policyType", "host"}, {"hostname", "OWN_HOST"}}, Access::read},
          {"", "*@*", {{"type", "policy"}, {"username", "OWN_USER"}, {"hostname", "OWN_HOST"}}, Access::full},
          {"", "*@*", {{"type", "snapshot"}, {"username", "OWN_USER"}, {"hostname", "OWN_HOST"}}, Access::full},
          {"", "*@*", {{"type", "user"}, {"username", "OWN_USER@OWN_HOST"}}, Access::full}};
}

}  // namespace cairn::auth
