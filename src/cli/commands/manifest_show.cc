// manifest show, delete.
#include "cli/commands/commands.h"
#include "cli/context.h"

namespace cairn::cli {
namespace {

Status run_show(Context& context, const ParsedCommand& command) {
  TRY_ASSIGN(const auto repository, context.open_repository({.read_only = true}));
  const std::vector<std::string>& ids = command.arguments("item");
  for (const std::string& id : ids) {
    const auto found = repository->manifests().get(id, context.stop());
    if (found.code() == Code::not_found) {
      return error(Code::not_found, "error getting metadata for \"{}\": manifest {}: not found", id, id);
    }
    TRY(found, "error getting metadata for \"{}\"", id);
    context.print("// id: {}\n// length: {}\n// modified: {}\n", found->metadata.id, found->metadata.length,
                  display_time(found->metadata.modified));
    for (const auto& [key, value] : found->metadata.labels) {
      context.print("// label {}:{}\n", key, value);
    }
    context.write(found->payload.dump(2));
    context.write(&id == &ids.back() ? "" : "\n");
  }
  return {};
}

Status run_delete(Context& context, const ParsedCommand& command) {
  TRY_ASSIGN(const auto repository, context.open_repository());
  for (const std::string& id : command.arguments("item")) {
    TRY(repository->manifests().remove(id, context.stop()), "error deleting manifest {}", id);
  }
  return repository->flush(context.stop());
}

}  // namespace

void add_manifest_show(CommandTable& table) {
  const std::vector<ArgumentSpec> items = {
      {.name = "item", .help = "Manifest ids", .required = true, .repeatable = true}};
  table.add({.path = "manifest show", .help = "Print manifests", .arguments = items, .run = run_show});
  table.add({.path = "manifest delete",
             .help = "Delete manifests",
             .aliases = {"remove", "rm"},
             .hidden = true,
             .dangerous = true,
             .arguments = items,
             .run = run_delete});
}

}  // namespace cairn::cli
