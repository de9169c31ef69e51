// content show, delete.
#include "cli/commands/commands.h"
#include "cli/content_view.h"
#include "compress/codec.h"

namespace cairn::cli {
namespace {

Status show_content(Context& context, const ParsedCommand& command, repo::Repository& repository,
                    const std::string& text) {
  TRY_ASSIGN(const ContentId id, parse_content_id(text));
  Result<Buffer> bytes = repository.contents().read(id, context.stop());
  if (bytes.code() == Code::not_found) {
    return error(Code::not_found, "error getting content {}: content not found", text);
  }
  TRY(bytes, "error getting content {}", text);
  if (command.boolean("unzip")) {
    Buffer raw;
    if (!compress::gunzip(*bytes, raw).ok()) {
      return error(Code::corrupt, "unable to open gzip stream: gzip: invalid header");
    }
    *bytes = std::move(raw);
  }
  if (!command.boolean("json")) {
    context.write(bytes->text());
    return {};
  }
  TRY_ASSIGN(const Json json, Json::parse(bytes->text()), "content {}", text);
  context.write(json.dump(2) + "\n");
  return {};
}

Status run_show(Context& context, const ParsedCommand& command) {
  TRY_ASSIGN(const auto repository, context.open_repository({.read_only = true}));
  for (const std::string& id : command.arguments("id")) {
    TRY(show_content(context, command, *repository, id));
  }
  return {};
}

Status run_delete(Context& context, const ParsedCommand& command) {
  TRY_ASSIGN(const auto repository, context.open_repository());
  for (const std::string& text : command.arguments("id")) {
    TRY_ASSIGN(const ContentId id, parse_content_id(text));
    TRY(repository->contents().remove(id, context.stop()), "error deleting content {}", text);
  }
  return repository->flush(context.stop());
}

}  // namespace

void add_content_show(CommandTable& table) {
  table.add({.path = "content show",
             .help = "Print contents",
             .aliases = {"cat"},
             .arguments = {{.name = "id", .help = "Content ids", .required = true, .repeatable = true}},
             .flags = {{.name = "json", .short_name = 'j', .help = "Print JSON on several indented lines"},
                       {.name = "unzip", .short_name = 'z', .help = "Decompress gzip data first"}},
             .run = run_show});
  table.add({.path = "content delete",
             .help = "Mark contents as deleted",
             .aliases = {"remove", "rm"},
             .hidden = true,
             .dangerous = true,
             .arguments = {{.name = "id", .help = "Content ids", .required = true, .repeatable = true}},
             .run = run_delete});
}

}  // namespace cairn::cli
