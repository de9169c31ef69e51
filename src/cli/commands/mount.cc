#include "mount/mount.h"

#include <algorithm>

#include "cli/commands/commands.h"
#include "cli/context.h"
#include "snapshot/resolve.h"
#include "sys/file.h"
#include "sys/process.h"

namespace cairn::cli {
namespace {

using enum ValueType;

constexpr std::string_view kTemporary = "*";

mount::TreeOptions tree_options(const ParsedCommand& command) {
  const auto size = [&](const char* flag) {
    return static_cast<std::size_t>(std::max<std::int64_t>(command.integer(flag), 1));
  };
  return {.directories_max = size("max-cached-dirs"), .entries_max = size("max-cached-entries")};
}

Result<std::unique_ptr<mount::Tree>> tree_of(Context& context, const ParsedCommand& command,
                                             repo::Repository& repository) {
  const std::string& path = command.argument("path");
  if (path == "all") {
    return std::make_unique<mount::Tree>(repository, tree_options(command));
  }
  TRY_ASSIGN(auto found, snapshot::resolve_id(repository, path, {}, context.stop()),
             "unable to get directory entry for {}", path);
  if (found.entry.type != snapshot::EntryType::directory) {
    return error(Code::invalid_argument, "unable to get directory entry for {}: not a directory", path);
  }
  return std::make_unique<mount::Tree>(repository, std::move(found.entry), tree_options(command));
}

void browse(Context& context, const std::string& directory) {
  sys::ProcessOptions options;
  options.argv = {"xdg-open", directory};
  if (const Status started = sys::spawn_detached(options); !started.ok()) {
    context.warn("unable to open a file browser: {}", started.message());
  }
}

Status run_mount(Context& context, const ParsedCommand& command) {
  if (command.boolean("webdav")) {
    return error(Code::unsupported, "mounting by WebDAV is not available; mount without --webdav");
  }
  TRY_ASSIGN(const auto repository, context.open_repository({.read_only = true}));
  TRY_ASSIGN(const auto tree, tree_of(context, command, *repository));
  mount::MountOptions options;
  options.mount_point = command.argument("mountPoint");
  const bool temporary = options.mount_point == kTemporary;
  sys::TempDir directory;
  if (temporary) {
    TRY_ASSIGN(directory, sys::TempDir::make("kopia-mount"));
    options.mount_point = directory.path();
  }
  options.allow_other = command.boolean("fuse-allow-other");
  options.allow_non_empty = command.boolean("fuse-allow-non-empty-mount");
  options.trace = command.boolean("trace-fs");
  options.on_mounted = [&] {
    context.notice("Mounted '{}' on {}", command.argument("path"), options.mount_point);
    if (command.boolean("browse")) {
      browse(context, options.mount_point);
    } else if (temporary) {
      context.notice("HINT: Pass --browse to automatically open file browser.");
    }
    context.notice("Press Ctrl-C to unmount.");
  };
  options.on_unmounting = [&] { context.notice("Unmounting..."); };
  TRY(mount::serve(*repository, *tree, options, context.stop()), "mount error: mounting error");
  context.notice("Unmounted.");
  return {};
}

}  // namespace

void add_mount(CommandTable& table) {
  table.add(
      {.path = "mount",
       .help = "Show snapshots as a read-only file system",
       .arguments = {{.name = "path",
                      .help = "Snapshot id or root object id and a path below it, or all",
                      .default_value = "all"},
                     {.name = "mountPoint",
                      .help = "An empty directory; * for a temporary one",
                      .default_value = std::string(kTemporary)}},
       .flags =
           {{.name = "browse", .help = "Open a file browser"},
            {.name = "trace-fs", .help = "Tell every request on standard error"},
            {.name = "fuse-allow-other", .help = "Let other users in, as far as modes allow"},
            {.name = "fuse-allow-non-empty-mount", .help = "Hide what is in the mount point"},
            {.name = "webdav", .help = "Mount by WebDAV (not available)"},
            {.name = "max-cached-entries",
             .type = integer,
             .default_value = "100000",
             .help = "Directory entries kept in memory"},
            {.name = "max-cached-dirs", .type = integer, .default_value = "100", .help = "Directories kept in memory"}},
       .run = run_mount});
}

}  // namespace cairn::cli
