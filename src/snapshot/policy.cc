#include "snapshot/policy.h"

#include <algorithm>

#include "base/units.h"
#include "snapshot/fields.h"
#include "snapshot/policy_fields.h"
#include "snapshot/schedule.h"

namespace cairn::snapshot {
namespace {

constexpr std::string_view kSections[] = {"retention",
                                          "files",
                                          "errorHandling",
                                          "scheduling",
                                          "compression",
                                          "metadataCompression",
                                          "splitter",
                                          "actions",
                                          "osSnapshots.volumeShadowCopy",
                                          "logging.directories",
                                          "logging.entries",
                                          "upload"};

Json to_value(std::int64_t v) { return v; }
Json to_value(bool v) { return v; }
Json to_value(const std::string& v) { return v; }
Json to_value(const std::vector<std::string>& v) { return Json::array(Json::Array(v.begin(), v.end())); }

Json to_value(const std::vector<TimeOfDay>& v) {
  Json list = Json::array();
  for (const TimeOfDay& t : v) {
    list.push_back(Json::object({{"hour", t.hour}, {"min", t.minute}}));
  }
  return list;
}

Json to_value(const ActionCommand& a) {
  Json j = Json::object();
  j.set_omitempty("path", a.path);
  j.set_omitempty("args", to_value(a.args));
  j.set_omitempty("script", a.script);
  j.set_omitempty("timeout", a.timeout_seconds);
  j.set_omitempty("mode", a.mode);
  return j;
}

template <class T>
void write_field(Json& section, std::string_view key, const T& v) {
  section.set_omitempty(key, to_value(v));
}
template <class T>
void write_field(Json& section, std::string_view key, const std::optional<T>& v) {
  if (v) {
    section.set(key, to_value(*v));
  }
}

Status read_field(const Json& object, std::string_view key, std::vector<TimeOfDay>& out) {
  const Json& list = object[key];
  if (list.is_null()) {
    return {};
  }
  if (!list.is_array()) {
    return wrong_type(key, "a list");
  }
  out.clear();
  for (const Json& item : list.items()) {
    std::int64_t hour = 0;
    std::int64_t minute = 0;
    if (!item.is_object()) {
      return wrong_type(key, "a list of objects");
    }
    TRY(snapshot::read_field(item, "hour", hour));
    TRY(snapshot::read_field(item, "min", minute));
    constexpr std::int64_t kLimit = 1'000'000;  // nonsense is kept as Kopia keeps it; validate_policy refuses it
    if (hour < -kLimit || hour > kLimit || minute < -kLimit || minute > kLimit) {
      return wrong_type(key, "a list of times of day");
    }
    out.push_back({static_cast<int>(hour), static_cast<int>(minute)});
  }
  return {};
}

Status read_field(const Json& object, std::string_view key, std::optional<ActionCommand>& out) {
  const Json& j = object[key];
  if (j.is_null()) {
    return {};
  }
  if (!j.is_object()) {
    return wrong_type(key, "an object");
  }
  ActionCommand a;
  TRY(snapshot::read_field(j, "path", a.path));
  TRY(snapshot::read_field(j, "args", a.args));
  TRY(snapshot::read_field(j, "script", a.script));
  TRY(snapshot::read_field(j, "timeout", a.timeout_seconds));
  TRY(snapshot::read_field(j, "mode", a.mode));
  out = std::move(a);
  return {};
}

// "logging.entries" → the member there; null when absent.
const Json& section_of(const Json& policy, std::string_view section) {
  const std::size_t dot = section.find('.');
  const Json& outer = policy[section.substr(0, dot)];
  return dot == std::string_view::npos ? outer : outer[section.substr(dot + 1)];
}

// Names the first member of `given` that `known` (the JSON form of a policy with every field set) has not.
Status check_known(const Json& given, const Json& known) {
  for (const auto& [key, value] : given.members()) {
    const Json* k = known.find(key);
    if (k == nullptr) {
      return error(Code::invalid_argument, "unknown field \"{}\"", key);
    }
    if (value.is_object() && k->is_object()) {
      TRY(check_known(value, *k));
    }
    if (value.is_array() && k->is_array() && k->size() > 0) {
      for (const Json& item : value.items()) {
        TRY(check_known(item, k->items()[0]));
      }
    }
  }
  return {};
}

const Json& all_known_fields() {
  static const Json kKnown = [] {
    Json j = Json::object();
    const Json action = Json::object({{"path", 0}, {"args", 0}, {"script", 0}, {"timeout", 0}, {"mode", 0}});
    const Json time = Json::array({Json::object({{"hour", 0}, {"min", 0}})});
    for_each_policy_field([&](std::string_view section, std::string_view key, auto, Merge) {
      policy_section(j, section).set(key, section == "actions" ? action : key == "timeOfDay" ? time : Json(0));
    });
    j.set("noParent", 0);
    return j;
  }();
  return kKnown;
}

}  // namespace

Json& policy_section(Json& policy, std::string_view section) {
  const auto member = [](Json& j, std::string_view key) -> Json& {
    Json* found = j.find(key);
    return found != nullptr ? *found : j.set(key, Json::object());
  };
  const std::size_t dot = section.find('.');
  Json& outer = member(policy, section.substr(0, dot));
  return dot == std::string_view::npos ? outer : member(outer, section.substr(dot + 1));
}

std::string TimeOfDay::text() const { return fmt::format("{}:{:02}", hour, minute); }

Result<TimeOfDay> TimeOfDay::parse(std::string_view text) {
  const auto number = [](std::string_view s, int& out) {
    out = 0;
    for (const char c : s) {
      if (c < '0' || c > '9') {
        return false;
      }
      out = out * 10 + (c - '0');
    }
    return !s.empty() && s.size() <= 2;
  };
  const std::size_t colon = text.find(':');
  TimeOfDay t;
  if (colon == std::string_view::npos || !number(text.substr(0, colon), t.hour) ||
      !number(text.substr(colon + 1), t.minute)) {
    return error(Code::invalid_argument, "invalid time of day, must be HH:MM");
  }
  if (t.hour > 23) {
    return error(Code::invalid_argument, "invalid hour \"{}\", must be between 0 and 23", text);
  }
  if (t.minute > 59) {
    return error(Code::invalid_argument, "invalid minute \"{}\", must be between 0 and 59", text);
  }
  return t;
}

Json Policy::to_json() const {
  Json j = Json::object();
  for (const std::string_view section : kSections) {
    policy_section(j, section);
  }
  for_each_policy_field([&](std::string_view section, std::string_view key, auto access, Merge) {
    write_field(policy_section(j, section), key, access(*this));
  });
  j.set_omitempty("noParent", no_parent);
  return j;
}

Result<Policy> Policy::from_json(const Json& json, bool strict) {
  if (!json.is_object()) {
    return error(Code::invalid_argument, "policy is not an object");
  }
  if (strict) {
    TRY(check_known(json, all_known_fields()));
  }
  Policy p;
  Status status;
  for_each_policy_field([&](std::string_view section, std::string_view key, auto access, Merge) {
    const Json& from = section_of(json, section);
    if (!status.ok() || from.is_null()) {
      return;
    }
    status = from.is_object() ? read_field(from, key, access(p)).with_frame(section) : wrong_type(section, "an object");
  });
  if (status.ok()) {
    status = snapshot::read_field(json, "noParent", p.no_parent);
  }
  if (!status.ok()) {
    return std::move(status).with_code(Code::invalid_argument);
  }
  return p;
}

const Policy& default_policy() {
  static const Policy kDefault = [] {
    Policy p;
    p.retention = {10, 48, 7, 4, 24, 3, false};
    p.files.ignore_dot_files = {".kopiaignore"};
    p.error_handling = {false, false, true};
    p.scheduling.run_missed = true;
    p.compression.compressor_name = "none";
    p.metadata_compressor_name = "zstd-fastest";
    p.volume_shadow_copy = 0;
    p.logging = {5, 5, 0, 5, 0, 0};
    p.upload.max_parallel_snapshots = 1;
    p.upload.parallel_upload_above_size = std::int64_t{2} << 30;
    return p;
  }();
  return kDefault;
}

namespace {

// "/" and "X:\" may end in a separator, nothing else.
Status validate_policy_path(std::string_view path) {
  if (path.empty() || (path.back() != '/' && path.back() != '\\')) {
    return {};
  }
  const bool drive =
      path.size() == 3 && path[1] == ':' && ((path[0] >= 'a' && path[0] <= 'z') || (path[0] >= 'A' && path[0] <= 'Z'));
  if (path == "/" || drive) {
    return {};
  }
  return error(Code::invalid_argument, "invalid policy path: path cannot end with a slash or a backslash");
}

Status validate_scheduling(const SchedulingPolicy& s) {
  if (s.manual && (s.interval_seconds != 0 || !s.times_of_day.empty() || !s.cron.empty() || s.run_missed.has_value())) {
    return error(Code::invalid_argument,
                 "invalid scheduling policy: manual cannot be combined with other scheduling policies");
  }
  for (const TimeOfDay& t : s.times_of_day) {
    if (t.hour < 0 || t.hour > 23 || t.minute < 0 || t.minute > 59) {
      return error(Code::invalid_argument, "invalid scheduling policy: invalid time of day {}", t.text());
    }
  }
  for (const std::string& line : s.cron) {
    TRY(parse_cron_line(line), "invalid scheduling policy");
  }
  return {};
}

}  // namespace

Status validate_policy(const SourceInfo& target, const Policy& policy) {
  TRY(validate_policy_path(target.path));
  TRY(validate_scheduling(policy.scheduling), "failed to validate policy");
  if (!target.path.empty() && policy.upload.max_parallel_snapshots) {
    return error(Code::invalid_argument,
                 "failed to validate policy: invalid upload policy: max parallel snapshots cannot be specified for "
                 "paths, only global, username@hostname or @hostname");
  }
  return {};
}

manifest::Labels policy_labels(const SourceInfo& t) {
  if (!t.path.empty()) {
    return {
        {"type", "policy"}, {"policyType", "path"}, {"username", t.user_name}, {"hostname", t.host}, {"path", t.path}};
  }
  if (!t.user_name.empty()) {
    return {{"type", "policy"}, {"policyType", "user"}, {"username", t.user_name}, {"hostname", t.host}};
  }
  if (!t.host.empty()) {
    return {{"type", "policy"}, {"policyType", "host"}, {"hostname", t.host}};
  }
  return {{"type", "policy"}, {"policyType", "global"}};
}

Result<SourceInfo> policy_target(const manifest::Labels& labels) {
  const auto label = [&](const char* key) {
    const auto it = labels.find(key);
    return it == labels.end() ? std::string() : it->second;
  };
  const std::string type = label("policyType");
  if (type == "global") {
    return SourceInfo{};
  }
  if (type == "host") {
    return SourceInfo{label("hostname"), "", ""};
  }
  if (type == "user") {
    return SourceInfo{label("hostname"), label("username"), ""};
  }
  if (type == "path") {
    return SourceInfo{label("hostname"), label("username"), label("path")};
  }
  return error(Code::corrupt, "policy of unknown type \"{}\"", type);
}

std::string parent_path(std::string_view path) {
  std::string_view volume;
  std::string_view rest = path;
  if (path.size() >= 3 && path[1] == ':' && (path[2] == '/' || path[2] == '\\')) {
    volume = path.substr(0, 2);
    rest = path.substr(2);
  }
  const std::string_view whole = rest;
  if (rest.size() > 1 && (rest.back() == '/' || rest.back() == '\\')) {
    rest.remove_suffix(1);
  }
  const std::size_t cut = rest.find_last_of("/\\");
  if (cut == std::string_view::npos) {
    return std::string(path);
  }
  const std::string_view parent = cut == 0 ? whole.substr(0, 1) : rest.substr(0, cut);
  return std::string(volume) + std::string(parent);
}

std::string_view compressor_for_file(const CompressionPolicy& p, std::string_view base_name, std::int64_t size) {
  if (p.compressor_name.empty() || p.compressor_name == "none" || (p.min_size > 0 && size < p.min_size) ||
      (p.max_size > 0 && size > p.max_size)) {
    return {};
  }
  const std::size_t dot = base_name.rfind('.');
  const std::string_view extension = dot == std::string_view::npos ? std::string_view() : base_name.substr(dot);
  // Binary search as in Kopia: an unsorted list misses there and here.
  const auto has = [&](const std::vector<std::string>& list) {
    return std::binary_search(list.begin(), list.end(), extension, std::less<>());
  };
  if (!p.only_compress.empty() && has(p.only_compress)) {
    return p.compressor_name;
  }
  return has(p.never_compress) ? std::string_view() : std::string_view(p.compressor_name);
}

std::string_view metadata_compressor(const Policy& policy) {
  const std::string& name = policy.metadata_compressor_name;
  return name == "none" ? std::string_view() : std::string_view(name);
}

}  // namespace cairn::snapshot
