#include "snapshot/verify.h"

#include <algorithm>
#include <filesystem>

#include "base/units.h"
#include "cli/commands/commands.h"
#include "cli/context.h"
#include "cli/format.h"

namespace cairn::cli {
namespace {

using enum ValueType;

std::string working_directory() {
  std::error_code ignored;
  return std::filesystem::current_path(ignored).string();
}

std::string stats_text(const snapshot::VerifyStats& s) {
  return fmt::format("{} objects ({}). Read {} files ({}).", s.processed_objects, bytes_text(s.processed_bytes),
                     s.read_files, bytes_text(s.read_bytes));
}

snapshot::VerifyOptions verify_options(const ParsedCommand& command) {
  snapshot::VerifyOptions o;
  o.snapshot_ids = command.arguments("snapshot-ids");
  o.sources = command.list("sources");
  o.directory_ids = command.list("directory-id");
  o.file_ids = command.list("file-id");
  o.max_errors = command.integer("max-errors");
  o.parallel = static_cast<unsigned>(std::clamp<std::int64_t>(command.integer("parallel"), 1, 256));
  o.file_parallelism = static_cast<unsigned>(std::clamp<std::int64_t>(command.integer("file-parallelism"), 0, 256));
  o.files_percent = command.real("verify-files-percent");
  o.working_directory = working_directory();
  return o;
}

// Lines in a log file should not grow with the hours.
constexpr Duration kQuietInterval = seconds(30);

Status run_snapshot_verify(Context& context, const ParsedCommand& command) {
  TRY_ASSIGN(const auto repository, context.open_repository({.read_only = true}));
  if (command.boolean("all-sources")) {
    context.notice("DEPRECATED: --all-sources flag has no effect and is the default when no sources are provided.");
  }
  const bool json = command.boolean("json");
  const auto progress = [&](const snapshot::VerifyStats& s) {
    if (json) {
      context.notice("{}", s.to_json().dump());
    } else {
      context.notice("Processed {}", stats_text(s));
    }
  };
  std::int64_t last_ns = monotonic_ns();
  snapshot::VerifyCallbacks callbacks;
  callbacks.on_list_start = [&] { context.notice("Listing blobs..."); };
  callbacks.on_listed = [&](std::int64_t n) { context.notice("Listed {} blobs.", n); };
  callbacks.on_start = progress;
  callbacks.on_progress = [&](const snapshot::VerifyStats& s) {
    if (context.progress() || monotonic_ns() - last_ns >= kQuietInterval.ns) {
      last_ns = monotonic_ns();
      progress(s);
    }
  };
  callbacks.on_error = [&](const std::string& line) { context.warn("{}", line); };
  snapshot::VerifyResult result;
  Status s = snapshot::verify_snapshots(*repository, verify_options(command), callbacks, result, context.stop());
  if (json) {
    print_json(context, command, result.to_json(), true);
  } else {
    context.notice("Finished processing {}", stats_text(result.stats));
  }
  return s;
}

}  // namespace

void add_snapshot_verify(CommandTable& table) {
  std::vector<FlagSpec> flags = {
      {.name = "max-errors",
       .type = integer,
       .default_value = "0",
       .help = "Stop after this many errors; negative: never"},
      {.name = "directory-id", .type = text, .help = "Directory objects to verify", .repeatable = true},
      {.name = "file-id", .type = text, .help = "File objects to verify", .repeatable = true},
      {.name = "sources", .type = text, .help = "Sources whose snapshots to verify", .repeatable = true},
      {.name = "parallel", .type = integer, .default_value = "8", .help = "Objects verified at once"},
      {.name = "file-queue-length", .type = integer, .default_value = "20000", .help = "Length of the queue of files"},
      {.name = "file-parallelism", .type = integer, .help = "Files read at once"},
      {.name = "verify-files-percent",
       .type = real,
       .default_value = "0",
       .help = "Read this part of the files, in percent"},
      {.name = "all-sources", .help = "Accepted; without arguments everything is verified", .hidden = true},
  };
  append_flags(flags, json_flags());
  table.add({.path = "snapshot verify",
             .help = "Verify that snapshots can be restored",
             .arguments = {{.name = "snapshot-ids", .help = "Snapshot ids; none: all", .repeatable = true}},
             .flags = std::move(flags),
             .run = run_snapshot_verify});
}

}  // namespace cairn::cli
