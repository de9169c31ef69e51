#include "cli/commands/commands.h"
#include "cli/context.h"
#include "object/read_ahead.h"
#include "snapshot/resolve.h"
#include "snapshot/tree_walk.h"

namespace cairn::cli {
namespace {

Status run_show(Context& context, const ParsedCommand& command) {
  TRY_ASSIGN(const auto repository, context.open_repository({.read_only = true}));
  object::ObjectManager& objects = repository->objects();
  const std::string& path = command.argument("object-path");
  TRY_ASSIGN(const object::ObjectId id, snapshot::resolve_object_id(objects, path, context.stop()),
             "unable to parse ID: {}", path);
  const auto print = [&](ByteView bytes) -> Status {
    context.write(as_text(bytes));
    return {};
  };
  Status read = object::read_ahead(objects, id, print, context.stop());
  if (!read.ok() && !read.is(Code::cancelled)) {
    read = snapshot::explain_object_error(objects, id, std::move(read), context.stop());
  }
  return std::move(read).with_frame("error opening object " + id.text());
}

}  // namespace

void add_show(CommandTable& table) {
  table.add({.path = "show",
             .help = "Print a file of the repository",
             .aliases = {"cat"},
             .arguments = {{.name = "object-path", .help = "Object id, and a path below it", .required = true}},
             .run = run_show});
}

}  // namespace cairn::cli
