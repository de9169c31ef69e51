#include "base/units.h"
#include "cli/commands/commands.h"
#include "cli/context.h"
#include "cli/format.h"
#include "snapshot/resolve.h"
#include "snapshot/tree_walk.h"

namespace cairn::cli {
namespace {

class Lister {
 public:
  Lister(Context& context, const ParsedCommand& command, object::ObjectManager& objects, std::string root)
      : context_(context),
        objects_(objects),
        root_(std::move(root)),
        long_(command.boolean("long")),
        human_(command.boolean("human-readable")),
        recursive_(command.boolean("recursive")),
        ids_(command.boolean("show-object-id")),
        errors_(command.boolean("error-summary")) {}

  // Rows of a directory; `below` is its path under the one that was asked for.
  Result<snapshot::Summary> directory(const object::ObjectId& id, const std::string& below) {
    const auto each = [&](const snapshot::DirEntryView& entry) -> Status {
      row(entry, below);
      if (recursive_ && entry.type == snapshot::EntryType::directory) {
        TRY(directory(entry.obj, path_of(entry, below)));
      }
      return {};
    };
    return snapshot::for_each_child(objects_, id, each, {.child_directory_times_from_summary = true}, context_.stop());
  }

 private:
  static std::string path_of(const snapshot::DirEntryView& entry, const std::string& below) {
    return below.empty() ? std::string(entry.name) : below + "/" + std::string(entry.name);
  }

  void row(const snapshot::DirEntryView& entry, const std::string& below) {
    const bool is_directory = entry.type == snapshot::EntryType::directory;
    std::string line;
    if (long_) {
      const std::string size = human_ ? bytes_text(entry.size) : std::to_string(entry.size);
      const char type = is_directory ? 'd' : entry.type == snapshot::EntryType::symlink ? 's' : 'f';
      line = fmt::format("{} {:>12} {} {:<34} ", mode_text(type, entry.mode), size, display_time(entry.mtime),
                         entry.obj.text());
    } else if (ids_) {
      line = fmt::format("{:<34} ", entry.obj.text());
    }
    if (recursive_ && !long_) {
      line += root_ + "/";
    }
    line += path_of(entry, below);
    if (is_directory && (recursive_ || long_)) {
      line += '/';
    }
    const std::int64_t failed = entry.summ == nullptr || !errors_ ? 0 : entry.summ->num_failed;
    if (failed > 0) {
      line += fmt::format(" ({} errors)", failed);
      if (context_.colour()) {
        line = "\x1b[91m" + line + "\x1b[0m";
      }
    }
    context_.print("{}\n", line);
  }

  Context& context_;
  object::ObjectManager& objects_;
  const std::string root_;
  const bool long_, human_, recursive_, ids_, errors_;
};

void show_errors(Context& context, const snapshot::Summary& summary) {
  if (summary.num_failed == 0) {
    return;
  }
  context.notice("\nNOTE: Encountered {} errors while snapshotting this directory:\n", summary.num_failed);
  for (const snapshot::EntryError& e : summary.errors) {
    context.notice("- Error in \"{}\": {}", e.path, e.error);
  }
}

Status run_list(Context& context, const ParsedCommand& command) {
  TRY_ASSIGN(const auto repository, context.open_repository({.read_only = true}));
  const std::string& path = command.argument("object-path");
  TRY_ASSIGN(const auto found, snapshot::resolve_id(*repository, path, {}, context.stop()),
             "unable to get filesystem directory entry");
  if (found.entry.type != snapshot::EntryType::directory) {
    return error(Code::invalid_argument, "unable to get filesystem directory entry: {} is not a directory object",
                 path);
  }
  std::string root = path;
  while (root.ends_with('/')) {
    root.pop_back();
  }
  Lister lister(context, command, repository->objects(), std::move(root));
  TRY_ASSIGN(const snapshot::Summary summary, lister.directory(found.entry.obj, ""), "error reading directory");
  if (command.boolean("error-summary")) {
    show_errors(context, summary);
  }
  return {};
}

}  // namespace

void add_list(CommandTable& table) {
  table.add({.path = "list",
             .help = "List a directory of the repository",
             .aliases = {"ls"},
             .arguments = {{.name = "object-path",
                            .help = "Snapshot id or root object id, and a path below it",
                            .required = true}},
             .flags = {{.name = "long", .short_name = 'l', .help = "Show all fields"},
                       {.name = "human-readable", .short_name = 'h', .help = "Sizes with units"},
                       {.name = "recursive", .short_name = 'r', .help = "Directories below too"},
                       {.name = "show-object-id", .short_name = 'o', .help = "Show object ids"},
                       {.name = "error-summary", .default_value = "true", .help = "Show errors of the snapshot"}},
             .run = run_list});
}

}  // namespace cairn::cli
