#include "cli/policy_json.h"

#include "base/units.h"

namespace cairn::cli {

Result<Json> parse_document(std::string_view text) {
  if (trim(text).empty()) {
    return error(Code::invalid_argument, "EOF");
  }
  auto json = Json::parse(text);
  if (!json.ok()) {
    return error(Code::invalid_argument, "{}", json.status().message());
  }
  return json;
}

Result<snapshot::Policy> policy_of_document(const Json& json, bool strict) {
  if (!json.is_object()) {
    return error(Code::invalid_argument, "json: a policy must be an object");
  }
  auto policy = snapshot::Policy::from_json(json, strict);
  TRY(policy, "json");
  return policy;
}

}  // namespace cairn::cli
