// Rows of the flags that PolicyEditor understands.
#include "cli/policy_editor.h"
#include "compress/codec.h"
#include "split/splitter.h"

namespace cairn::cli {
namespace {

using enum ValueType;

FlagSpec text_flag(const char* name, const char* help) { return {.name = name, .type = text, .help = help}; }

// true, false or inherit; a bare --x means true and --no-x false.
FlagSpec three_way(const char* name, const char* help) {
  return {.name = name,
          .type = choice,
          .help = help,
          .choices = {"true", "false", "inherit"},
          .bare_value = "true",
          .bare_no_value = "false"};
}

std::vector<std::string> compressor_names() {
  std::vector<std::string> names = {"inherit", "none"};
  for (const compress::Algorithm& algorithm : compress::algorithms()) {
    names.emplace_back(algorithm.name);
  }
  return names;
}

std::vector<std::string> splitter_choices() {
  const auto names = split::splitter_names();
  std::vector<std::string> all(names.begin(), names.end());
  all.emplace_back("inherit");
  return all;
}

void add_list_flags(std::vector<FlagSpec>& flags, const std::string& name, const std::string& what) {
  flags.push_back({.name = "add-" + name, .type = text, .help = "Add to " + what, .repeatable = true});
  flags.push_back({.name = "remove-" + name, .type = text, .help = "Remove from " + what, .repeatable = true});
  flags.push_back({.name = "clear-" + name, .help = "Remove all of " + what});
}

void add_file_flags(std::vector<FlagSpec>& flags) {
  for (const char* period : {"latest", "hourly", "daily", "weekly", "monthly", "annual"}) {
    flags.push_back({.name = std::string("keep-") + period,
                     .type = text,
                     .help = std::string("Number of ") + period + " snapshots to keep (or 'inherit')"});
  }
  flags.push_back(text_flag("ignore-identical-snapshots", "Do not save a snapshot that equals the previous one"));
  add_list_flags(flags, "ignore", "the ignore rules");
  add_list_flags(flags, "dot-ignore", "the names of files with ignore rules");
  flags.push_back(text_flag("max-file-size", "Leave out files above this many bytes (or 'inherit')"));
  flags.push_back(three_way("one-file-system", "Stay on the file system of the source"));
  flags.push_back(three_way("ignore-cache-dirs", "Leave out directories marked as caches"));
  flags.push_back(three_way("ignore-file-errors", "Ignore errors of reading files"));
  flags.push_back(three_way("ignore-dir-errors", "Ignore errors of reading directories"));
  flags.push_back(three_way("ignore-unknown-types", "Ignore entries of unknown types"));
}

void add_content_flags(std::vector<FlagSpec>& flags) {
  flags.push_back(
      {.name = "compression", .type = choice, .help = "Compression of files", .choices = compressor_names()});
  flags.push_back(text_flag("compression-min-size", "Compress only files of at least this many bytes (or 'inherit')"));
  flags.push_back(text_flag("compression-max-size", "Compress only files of at most this many bytes (or 'inherit')"));
  add_list_flags(flags, "only-compress", "the extensions that alone are compressed");
  add_list_flags(flags, "never-compress", "the extensions that are not compressed");
  flags.push_back({.name = "metadata-compression",
                   .type = choice,
                   .help = "Compression of directories and other metadata",
                   .choices = compressor_names()});
  flags.push_back(
      {.name = "splitter", .type = choice, .help = "How files are cut into contents", .choices = splitter_choices()});
}

void add_schedule_flags(std::vector<FlagSpec>& flags) {
  flags.push_back({.name = "snapshot-interval", .type = duration, .help = "Time between two snapshots"});
  flags.push_back({.name = "snapshot-time",
                   .type = text,
                   .help = "Times of the day, as HH:mm,HH:mm (or 'inherit')",
                   .repeatable = true});
  flags.push_back(text_flag("snapshot-time-crontab", "Crontab expressions separated by semicolons (or 'inherit')"));
  flags.push_back(three_way("run-missed", "Make up for missed snapshots"));
  flags.push_back({.name = "manual", .help = "Only take snapshots by hand"});
}

void add_action_flags(std::vector<FlagSpec>& flags) {
  for (const char* place : {"before-folder", "after-folder", "before-snapshot-root", "after-snapshot-root"}) {
    flags.push_back({.name = std::string(place) + "-action",
                     .type = text,
                     .default_value = "-",
                     .help = std::string("Command to run, ") + place + "; empty to remove it",
                     .placeholder = "COMMAND"});
  }
  flags.push_back(
      {.name = "action-command-timeout", .type = duration, .default_value = "5m", .help = "Time the command may take"});
  flags.push_back({.name = "action-command-mode",
                   .type = choice,
                   .default_value = "essential",
                   .help = "What a failing command means",
                   .choices = {"essential", "optional", "async"}});
  flags.push_back({.name = "persist-action-script", .help = "Store the script in the repository"});
  flags.push_back({.name = "enable-volume-shadow-copy",
                   .type = choice,
                   .help = "Volume shadow copies on Windows",
                   .choices = {"never", "always", "when-available", "inherit"}});
}

void add_detail_flags(std::vector<FlagSpec>& flags) {
  for (const char* what : {"dir-snapshotted", "dir-ignored", "entry-snapshotted", "entry-ignored", "entry-cache-hit",
                           "entry-cache-miss"}) {
    flags.push_back(
        {.name = std::string("log-") + what, .type = text, .help = "Detail of log lines, 0 to 10 (or 'inherit')"});
  }
  flags.push_back(text_flag("max-parallel-snapshots", "Snapshots taken at once by a server (or 'inherit')"));
  flags.push_back(text_flag("max-parallel-file-reads", "Files read at once (or 'inherit')"));
  flags.push_back(
      text_flag("parallel-upload-above-size-mib", "Files above this size are read in parts (or 'inherit')"));
}

}  // namespace

std::vector<FlagSpec> policy_flags() {
  std::vector<FlagSpec> flags = {
      {.name = "inherit", .type = boolean_text, .help = "Take what is not set here from the parents' policies"}};
  add_file_flags(flags);
  add_content_flags(flags);
  add_schedule_flags(flags);
  add_action_flags(flags);
  add_detail_flags(flags);
  return flags;
}

}  // namespace cairn::cli
