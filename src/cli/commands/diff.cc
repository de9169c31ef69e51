#include "base/units.h"
#include "cli/commands/commands.h"
#include "cli/context.h"
#include "cli/format.h"
#include "snapshot/compare.h"
#include "snapshot/resolve.h"
#include "sys/file.h"
#include "sys/process.h"

#include <fcntl.h>

namespace cairn::cli {
namespace {

constexpr std::size_t kDiffOutputMax = 64u << 20;
constexpr char kTop[] = ".";  // the name of what is compared

// Go's text of a time: "2024-01-02 03:04:05.5 +0000 UTC".
std::string long_time(Timestamp t) {
  std::string text = rfc3339(t);
  text[text.find('T')] = ' ';
  text.pop_back();  // Z
  return text + " +0000 UTC";
}

std::string mode_of(const snapshot::DirEntry& e) {
  const char type = e.type == snapshot::EntryType::directory ? 'd' : e.type == snapshot::EntryType::symlink ? 's' : 'f';
  return mode_text(type, e.mode);
}

class Printer final : public snapshot::CompareVisitor {
 public:
  Printer(Context& context, object::ObjectManager& objects, std::string diff_command)
      : context_(context), objects_(objects), diff_command_(std::move(diff_command)) {}

  void on_added(const std::string& path, const snapshot::DirEntry& entry) override { one_sided("added", path, entry); }
  void on_removed(const std::string& path, const snapshot::DirEntry& entry) override {
    one_sided("removed", path, entry);
  }

  void on_attributes(const std::string& path, const snapshot::DirEntry& a, const snapshot::DirEntry& b) override {
    const struct {
      bool differ;
      const char* what;
      std::string before, now;
    } facts[] = {
        {mode_of(a) != mode_of(b), "modes", mode_of(a), mode_of(b)},
        {a.size != b.size, "sizes", std::to_string(a.size), std::to_string(b.size)},
        {a.mtime != b.mtime, "modification times", long_time(a.mtime), long_time(b.mtime)},
        {a.uid != b.uid, "owner users", std::to_string(a.uid), std::to_string(b.uid)},
        {a.gid != b.gid, "owner groups", std::to_string(a.gid), std::to_string(b.gid)},
    };
    for (const auto& fact : facts) {
      if (fact.differ) {
        context_.print("{} {} differ: {} {}\n", path, fact.what, fact.before, fact.now);
      }
    }
  }

  void on_kind(const std::string& path, const snapshot::DirEntry& a, const snapshot::DirEntry& /*b*/) override {
    const bool was_directory = a.type == snapshot::EntryType::directory;
    context_.print("changed {} from {}\n", path,
                   was_directory ? "directory to non-directory" : "non-directory to a directory");
  }

  Status on_content(const std::string& path, const snapshot::DirEntry& a, const snapshot::DirEntry& b) override {
    context_.print("changed {} at {} (size {} -> {})\n", path, long_time(b.mtime), a.size, b.size);
    return diff_command_.empty() ? Status() : run_diff(path, a, b);
  }

 private:
  void one_sided(const char* what, const std::string& path, const snapshot::DirEntry& entry) {
    if (entry.type == snapshot::EntryType::directory) {
      context_.print("{} directory {}\n", what, path);
    } else {
      context_.print("{} file {} ({} bytes)\n", what, path, entry.size);
    }
  }

  Status extract(const snapshot::DirEntry& entry, const std::string& file) {
    constexpr mode_t kFileMode = 0600;
    TRY_ASSIGN(sys::UniqueFd fd, sys::open_file(file, O_WRONLY | O_CREAT | O_EXCL, kFileMode));
    TRY(objects_.read(
            entry.obj, [&](ByteView bytes) { return sys::write_all(fd.get(), bytes); }, context_.stop()),
        "unable to read object {}", entry.obj.text());
    return fd.close(file);
  }

  // The command may carry arguments ("diff -u"); no shell is involved.
  Status run_diff(const std::string& path, const snapshot::DirEntry& a, const snapshot::DirEntry& b) {
    TRY_ASSIGN(const sys::TempDir directory, sys::TempDir::make());
    const std::string old_file = sys::join_path(directory.path(), "old");
    const std::string new_file = sys::join_path(directory.path(), "new");
    TRY(extract(a, old_file), "{}", path);
    TRY(extract(b, new_file), "{}", path);
    sys::ProcessOptions options;
    for (std::string_view rest = trim(diff_command_); !rest.empty(); rest = trim(rest)) {
      const std::string_view word = rest.substr(0, rest.find(' '));
      options.argv.emplace_back(word);
      rest.remove_prefix(word.size());
    }
    options.argv.insert(options.argv.end(), {old_file, new_file});
    options.stdout_max = kDiffOutputMax;
    TRY_ASSIGN(const sys::ProcessResult result, sys::run_process(options, context_.stop()), "unable to run {}",
               diff_command_);
    context_.write(result.out.text());
    if (result.out_truncated) {
      context_.warn("the output of {} for {} is longer than {} and was cut", diff_command_, path,
                    bytes_text(kDiffOutputMax));
    }
    return {};  // programs of this kind exit with 1 when files differ
  }

  Context& context_;
  object::ObjectManager& objects_;
  const std::string diff_command_;
};

class Silent final : public snapshot::CompareVisitor {
  void on_added(const std::string& /*path*/, const snapshot::DirEntry& /*entry*/) override {}
  void on_removed(const std::string& /*path*/, const snapshot::DirEntry& /*entry*/) override {}
  void on_attributes(const std::string& /*path*/, const snapshot::DirEntry& /*a*/,
                     const snapshot::DirEntry& /*b*/) override {}
  void on_kind(const std::string& /*path*/, const snapshot::DirEntry& /*a*/, const snapshot::DirEntry& /*b*/) override {
  }
  Status on_content(const std::string& /*path*/, const snapshot::DirEntry& /*a*/,
                    const snapshot::DirEntry& /*b*/) override {
    return {};
  }
};

// As the entry looks in its parent: a directory has the newest time and the size of what is in it.
Result<snapshot::DirEntry> argument_entry(Context& context, repo::Repository& repository, const std::string& text) {
  TRY_ASSIGN(auto found, snapshot::resolve_id(repository, text, {}, context.stop()),
             "error getting filesystem entry for {}", text);
  if (!found.relative_path.empty() && found.entry.summ) {
    found.entry.size = found.entry.summ->size;
    found.entry.mtime = found.entry.summ->max_time;
  }
  return std::move(found.entry);
}

Status run_diff_command(Context& context, const ParsedCommand& command) {
  TRY_ASSIGN(const auto repository, context.open_repository({.read_only = true}));
  TRY_ASSIGN(const auto before, argument_entry(context, *repository, command.argument("object-path1")));
  TRY_ASSIGN(const auto now, argument_entry(context, *repository, command.argument("object-path2")));
  const bool was_directory = before.type == snapshot::EntryType::directory;
  if (was_directory != (now.type == snapshot::EntryType::directory)) {
    return error(Code::invalid_argument, "arguments to diff must both be directories or both non-directories");
  }
  if (!was_directory && context.program() == "kopia") {
    return error(Code::unsupported, "comparing files not implemented yet");  // Kopia's words
  }
  Printer printer(context, repository->objects(), command.boolean("files") ? command.text("diff-command") : "");
  Silent silent;
  snapshot::CompareVisitor& visitor =
      command.boolean("stats-only") ? static_cast<snapshot::CompareVisitor&>(silent) : printer;
  if (!was_directory) {
    visitor.on_attributes(kTop, before, now);
    return before.obj == now.obj ? Status() : visitor.on_content(kTop, before, now);
  }
  snapshot::CompareStats stats;
  TRY(snapshot::compare_trees(repository->objects(), before, now, visitor, stats, context.stop()),
      "error comparing directories");
  context.write(stats.to_json().dump());
  return {};
}

}  // namespace

void add_diff(CommandTable& table) {
  table.add({.path = "diff",
             .help = "Show what differs between two directories, or two files, of the repository",
             .aliases = {"compare"},
             .arguments = {{.name = "object-path1",
                            .help = "Snapshot id or root object id, and a path below it",
                            .required = true},
                           {.name = "object-path2", .help = "What to compare it with", .required = true}},
             .flags = {{.name = "files", .short_name = 'f', .help = "Run a program on every pair of files that differ"},
                       {.name = "diff-command",
                        .type = ValueType::text,
                        .default_value = "diff -u",
                        .env = "KOPIA_DIFF",
                        .help = "The program for --files, with its arguments"},
                       {.name = "stats-only", .help = "Print only the numbers at the end"}},
             .run = run_diff_command});
}

}  // namespace cairn::cli
