#include "maintenance/parameters.h"

namespace cairn::maintenance {
namespace {

const manifest::Labels& labels() {
  static const manifest::Labels type{{"type", "maintenance"}};
  return type;
}

Json cycle_to_json(const Cycle& c) { return Json::object({{"enabled", c.enabled}, {"interval", c.interval.ns}}); }

// Absent members keep what `to` holds; a member of another type is an error, for a wrong guess could delete data.
Status read(const Json& object, const char* key, bool& to) {
  const Json& v = object[key];
  if (!v.is_null() && !v.is_bool()) {
    return error(Code::corrupt, "invalid maintenance parameters: {} is not true or false", key);
  }
  to = v.as_bool(to);
  return {};
}

Status read(const Json& object, const char* key, std::int64_t& to) {
  const Json& v = object[key];
  if (!v.is_null() && !v.is_int()) {
    return error(Code::corrupt, "invalid maintenance parameters: {} is not a whole number", key);
  }
  to = v.as_int(to);
  return {};
}

Status read_cycle(const Json& json, Cycle& to) {
  to = Cycle{false, {}};
  TRY(read(json, "enabled", to.enabled));
  return read(json, "interval", to.interval.ns);
}

}  // namespace

Json Parameters::to_json() const {
  Json out = Json::object({{"owner", owner},
                           {"quick", cycle_to_json(quick)},
                           {"full", cycle_to_json(full)},
                           {"logRetention", Json::object({{"maxTotalSize", log_retention.max_total_bytes},
                                                          {"maxCount", log_retention.max_count},
                                                          {"maxAge", log_retention.max_age.ns}})},
                           {"extendObjectLocks", extend_object_locks},
                           {"listParallelism", list_parallelism}});
  if (!former_owner.empty()) {
    out.set("cairnFormerOwner", former_owner);
    out.set("cairnOwnerSince", rfc3339(owner_since));
  }
  return out;
}

Result<Parameters> Parameters::from_json(const Json& json) {
  if (!json.is_object()) {
    return error(Code::corrupt, "invalid maintenance parameters: not an object");
  }
  Parameters p;
  p.owner = json["owner"].as_string();
  TRY(read_cycle(json["quick"], p.quick));
  TRY(read_cycle(json["full"], p.full));
  LogRetention logs{0, 0, {}};
  TRY(read(json["logRetention"], "maxTotalSize", logs.max_total_bytes));
  TRY(read(json["logRetention"], "maxCount", logs.max_count));
  TRY(read(json["logRetention"], "maxAge", logs.max_age.ns));
  if (logs.max_total_bytes != 0 || logs.max_count != 0 || logs.max_age.ns != 0) {
    p.log_retention = logs;
  }
  TRY(read(json, "extendObjectLocks", p.extend_object_locks));
  TRY(read(json, "listParallelism", p.list_parallelism));
  p.former_owner = json["cairnFormerOwner"].as_string();
  if (!p.former_owner.empty()) {
    TRY_ASSIGN(p.owner_since, parse_rfc3339(json["cairnOwnerSince"].as_string()), "cairnOwnerSince");
  }
  return p;
}

void Parameters::change_owner(const std::string& to, Timestamp now) {
  if (owner != to && !owner.empty()) {
    former_owner = owner;
    owner_since = now;
  }
  owner = to;
}

Result<Parameters> load_parameters(manifest::ManifestManager& manifests, std::stop_token stop) {
  TRY_ASSIGN(const auto found, manifests.find_with_payload(labels(), stop), "unable to get maintenance parameters");
  if (found.empty()) {
    return Parameters();
  }
  TRY_ASSIGN(Parameters parameters, Parameters::from_json(found.back().payload));
  parameters.written = found.back().metadata.modified;
  return parameters;
}

Status save_parameters(manifest::ManifestManager& manifests, const Parameters& parameters, std::stop_token stop) {
  TRY(manifests.replace(labels(), parameters.to_json(), stop), "unable to set maintenance parameters");
  return {};
}

}  // namespace cairn::maintenance
