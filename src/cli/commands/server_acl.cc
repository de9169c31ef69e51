// server acl enable, add, list, delete: straight on the repository.
#include <algorithm>

#include "auth/acl.h"
#include "cli/commands/commands.h"
#include "cli/context.h"
#include "cli/format.h"
#include "cli/targets.h"

namespace cairn::cli {
namespace {

using enum ValueType;

// "type=snapshot,hostname=h"
Result<std::map<std::string, std::string>> parse_target(std::string_view text) {
  std::map<std::string, std::string> target;
  while (!text.empty()) {
    const std::string_view pair = text.substr(0, text.find(','));
    const std::size_t equals = pair.find('=');
    if (equals == std::string_view::npos) {
      return error(Code::invalid_argument, "invalid target labels \"{}\", must be key=value", pair);
    }
    target[std::string(pair.substr(0, equals))] = std::string(pair.substr(equals + 1));
    text.remove_prefix(std::min(pair.size() + 1, text.size()));
  }
  return target;
}

Status run_enable(Context& context, const ParsedCommand& command) {
  TRY_ASSIGN(const auto repository, context.open_repository());
  TRY_ASSIGN(const auto entries, auth::list_acl(repository->manifests(), context.stop()));
  if (!entries.empty() && !command.boolean("reset")) {
    return error(Code::already_exists, "ACLs already enabled");
  }
  for (const auth::AclEntry& entry : entries) {
    context.notice("deleting previous ACL entry {}", entry.id);
    TRY(repository->manifests().remove(entry.id, context.stop()), "error deleting previous ACL entry");
  }
  for (const auth::AclEntry& entry : auth::default_acl()) {
    TRY(auth::add_acl(repository->manifests(), entry, false, context.stop()), "unable to add default ACL");
  }
  return commit_writer(context, *repository);
}

Status run_add(Context& context, const ParsedCommand& command) {
  TRY_ASSIGN(const auto repository, context.open_repository());
  auth::AclEntry entry;
  entry.user = command.text("user");
  TRY_ASSIGN(entry.target, parse_target(command.text("target")));
  TRY_ASSIGN(entry.access, auth::parse_access(command.text("access")));
  TRY(auth::add_acl(repository->manifests(), entry, command.boolean("overwrite"), context.stop()),
      "error adding ACL entry");
  return commit_writer(context, *repository);
}

Json entry_json(const auth::AclEntry& entry) {
  Json json = Json::object({{"id", entry.id}});
  const Json payload = entry.payload();
  for (const auto& [key, value] : payload.members()) {
    json.set(key, value);
  }
  return json;
}

Status run_list(Context& context, const ParsedCommand& command) {
  TRY_ASSIGN(const auto repository, context.open_repository({.read_only = true}));
  TRY_ASSIGN(const auto entries, auth::list_acl(repository->manifests(), context.stop()));
  if (!command.boolean("json")) {
    for (const auth::AclEntry& e : entries) {
      context.print("id:{} user:{} access:{} target:{}\n", e.id, e.user, auth::access_name(e.access), e.target_text());
    }
    return {};
  }
  JsonList list(context, command);
  for (const auth::AclEntry& entry : entries) {
    list.add(entry_json(entry));
  }
  list.end();
  return {};
}

Status run_delete(Context& context, const ParsedCommand& command) {
  TRY_ASSIGN(const auto repository, context.open_repository());
  std::vector<std::string> ids = command.arguments("id");
  TRY_ASSIGN(const auto entries, auth::list_acl(repository->manifests(), context.stop()));
  if (command.boolean("all")) {
    ids.clear();
    for (const auth::AclEntry& entry : entries) {
      ids.push_back(entry.id);
    }
  }
  for (const std::string& id : ids) {
    if (!command.boolean("delete")) {
      context.notice("would delete entry {}, pass --delete to actually delete", id);
      continue;
    }
    if (std::ranges::find(entries, id, &auth::AclEntry::id) != entries.end()) {  // nothing else is deleted here
      TRY(repository->manifests().remove(id, context.stop()), "unable to delete ACL entry {}", id);
    }
  }
  return commit_writer(context, *repository);
}

}  // namespace

void add_server_acl(CommandTable& table) {
  table.add({.path = "server acl", .help = "Commands on the access rules of the server"});
  table.add({.path = "server acl enable",
             .help = "Write the default access rules",
             .flags = {{.name = "reset", .help = "Delete the rules there are"}},
             .run = run_enable});
  table.add(
      {.path = "server acl add",
       .help = "Add an access rule",
       .flags =
           {{.name = "user", .type = text, .help = "user@host; either side may be *", .required = true},
            {.name = "target", .type = text, .help = "What the rule is about, as type=T,key=value", .required = true},
            {.name = "access",
             .type = choice,
             .help = "Level of access",
             .choices = {"NONE", "READ", "APPEND", "FULL"},
             .required = true},
            {.name = "overwrite", .help = "Also lower the level of a rule that exists"}},
       .run = run_add});
  table.add({.path = "server acl list",
             .help = "List access rules",
             .aliases = {"ls"},
             .flags = json_flags(),
             .run = run_list});
  table.add({.path = "server acl delete",
             .help = "Delete access rules",
             .aliases = {"remove", "rm"},
             .arguments = {{.name = "id", .help = "Ids of rules", .repeatable = true}},
             .flags = {{.name = "all", .help = "All rules"}, {.name = "delete", .help = "Delete, not only say so"}},
             .run = run_delete});
}

}  // namespace cairn::cli
