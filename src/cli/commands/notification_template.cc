// notification template list, show, set, remove.
#include <unistd.h>

#include "cli/commands/commands.h"
#include "cli/context.h"
#include "cli/editor.h"
#include "cli/format.h"
#include "cli/targets.h"
#include "notify/message.h"
#include "sys/file.h"

namespace cairn::cli {
namespace {

using enum ValueType;
constexpr std::size_t kTemplateSizeMax = 1 << 20;

Status run_list(Context& context, const ParsedCommand& command) {
  TRY_ASSIGN(const auto repository, context.open_repository({.read_only = true}));
  TRY_ASSIGN(const auto templates, notify::list_templates(repository->manifests(), context.stop()),
             "error listing templates");
  if (command.boolean("json")) {
    JsonList list(context, command);
    for (const notify::TemplateInfo& t : templates) {
      Json item = Json::object({{"name", t.name}, {"customized", t.modified.has_value()}});
      if (t.modified) {
        item.set("modified", rfc3339(*t.modified));
      }
      list.add(item);
    }
    list.end();
    return {};
  }
  context.print("{:<30} {:<15} {}\n", "NAME", "TYPE", "MODIFIED");
  for (const notify::TemplateInfo& t : templates) {
    context.print("{:<30} {:<15} {}\n", t.name, t.modified ? "<customized>" : "<built-in>",
                  t.modified ? display_time(*t.modified) : "");
  }
  return {};
}

// What the repository holds (unless `original`), else what comes with the program.
Result<std::string> template_text(Context& context, repo::Repository& repository, const std::string& name,
                                  bool original) {
  if (!original) {
    TRY_ASSIGN(auto custom, notify::custom_template(repository.manifests(), name, context.stop()));
    if (custom) {
      return std::move(*custom);
    }
  }
  const char* builtin = notify::builtin_template(name);
  if (builtin == nullptr) {
    return error(Code::not_found, "unable to read embedded template: open {}: file does not exist", name);
  }
  return std::string(builtin);
}

Status run_show(Context& context, const ParsedCommand& command) {
  TRY_ASSIGN(const auto repository, context.open_repository({.read_only = true}));
  TRY_ASSIGN(const std::string text,
             template_text(context, *repository, command.argument("template"), command.boolean("original")),
             "error listing templates");
  context.write(text);
  return {};
}

Result<std::string> read_stdin() {
  std::string text;
  Buffer chunk(64 << 10);
  while (true) {
    TRY_ASSIGN(const std::size_t n, sys::read_some(STDIN_FILENO, chunk.mut()), "error reading standard input");
    if (n == 0) {
      return text;
    }
    text += as_text(chunk.view().first(n));
    if (text.size() > kTemplateSizeMax) {
      return error(Code::resource_exhausted, "a template may have at most {} bytes", kTemplateSizeMax);
    }
  }
}

Result<std::string> edited(Context& context, repo::Repository& repository, const std::string& name) {
  auto text = template_text(context, repository, name, false);
  TRY_ASSIGN(const sys::TempDir directory, sys::TempDir::make());
  const std::string file = sys::join_path(directory.path(), "template.txt");
  TRY(sys::write_file_atomic(file, as_bytes(text.ok() ? std::string_view(*text) : std::string_view()), 0600));
  TRY(run_editor(context, file));
  TRY_ASSIGN(const Buffer bytes, sys::read_file(file, kTemplateSizeMax));
  return std::string(bytes.text());
}

Result<std::string> new_text(Context& context, const ParsedCommand& command, repo::Repository& repository) {
  if (command.boolean("from-stdin")) {
    return read_stdin();
  }
  if (const std::string& file = command.text("from-file"); !file.empty()) {
    TRY_ASSIGN(const Buffer bytes, sys::read_file(file, kTemplateSizeMax), "error reading file");
    return std::string(bytes.text());
  }
  if (command.boolean("editor")) {
    return edited(context, repository, command.argument("template"));
  }
  return error(Code::invalid_argument, "must specify either --from-file, --from-stdin or --editor");
}

Status run_set(Context& context, const ParsedCommand& command) {
  TRY_ASSIGN(const auto repository, context.open_repository());
  TRY_ASSIGN(const std::string text, new_text(context, command, *repository));
  TRY(notify::save_template(repository->manifests(), command.argument("template"), text, context.stop()),
      "error saving template");
  return commit_writer(context, *repository);
}

Status run_remove(Context& context, const ParsedCommand& command) {
  TRY_ASSIGN(const auto repository, context.open_repository());
  TRY(notify::delete_template(repository->manifests(), command.argument("template"), context.stop()),
      "error removing template");
  return commit_writer(context, *repository);
}

}  // namespace

void add_notification_template(CommandTable& table) {
  const std::vector<ArgumentSpec> name = {
      {.name = "template", .help = "Name of the template, for example generic-error.txt", .required = true}};
  table.add({.path = "notification template", .help = "Commands on the texts of notifications"});
  table.add({.path = "notification template list",
             .help = "List templates",
             .aliases = {"ls"},
             .flags = json_flags(),
             .run = run_list});
  table.add(
      {.path = "notification template show",
       .help = "Print a template",
       .arguments = name,
       .flags = {{.name = "format", .type = choice, .help = "Accepted; the text is printed", .choices = {"html", "md"}},
                 {.name = "original", .help = "The one that comes with the program"},
                 {.name = "html", .help = "Accepted; the text is printed"}},
       .run = run_show});
  table.add({.path = "notification template set",
             .help = "Replace a template",
             .arguments = name,
             .flags = {{.name = "from-stdin", .help = "Read the text from standard input"},
                       {.name = "from-file", .type = existing_file, .help = "Read the text from a file"},
                       {.name = "editor", .help = "Edit the text"}},
             .run = run_set});
  table.add({.path = "notification template remove",
             .help = "Go back to the template that comes with the program",
             .aliases = {"rm", "delete"},
             .arguments = name,
             .run = run_remove});
}

}  // namespace cairn::cli
