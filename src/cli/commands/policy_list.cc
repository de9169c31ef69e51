#include <algorithm>

#include "cli/commands/commands.h"
#include "cli/context.h"
#include "cli/format.h"
#include "snapshot/policy.h"

namespace cairn::cli {
namespace {

Json record_json(const snapshot::PolicyRecord& record) {
  Json json = Json::object();
  json.set("id", record.id);
  json.set("target",
           Json::object(
               {{"host", record.target.host}, {"userName", record.target.user_name}, {"path", record.target.path}}));
  const Json policy = record.policy.to_json();
  for (const auto& [key, value] : policy.members()) {
    json.set(key, value);
  }
  return json;
}

Status run_policy_list(Context& context, const ParsedCommand& command) {
  TRY_ASSIGN(const auto repository, context.open_repository({.read_only = true}));
  TRY_ASSIGN(auto records, snapshot::list_policies(repository->manifests(), context.stop()), "error listing policies");
  std::ranges::stable_sort(records, {}, [](const snapshot::PolicyRecord& r) { return r.target.text(); });
  if (command.boolean("json")) {
    JsonList list(context, command);
    for (const auto& record : records) {
      list.add(record_json(record));
    }
    list.end();
    return {};
  }
  for (const auto& record : records) {
    context.print("{} {}\n", record.id, record.target.text());
  }
  return {};
}

}  // namespace

void add_policy_list(CommandTable& table) {
  table.add({.path = "policy list",
             .help = "List the policies of the repository",
             .aliases = {"ls"},
             .flags = json_flags(),
             .run = run_policy_list});
}

}  // namespace cairn::cli
