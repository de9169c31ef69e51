#include "snapshot/fix.h"

#include <algorithm>
#include <map>

#include "base/units.h"
#include "cli/commands/commands.h"
#include "cli/targets.h"
#include "snapshot/store.h"

namespace cairn::cli {
namespace {

using enum ValueType;

snapshot::InvalidEntry handling(const std::string& text) {
  static const std::map<std::string, snapshot::InvalidEntry> kNames = {{"fail", snapshot::InvalidEntry::fail},
                                                                       {"stub", snapshot::InvalidEntry::stub},
                                                                       {"keep", snapshot::InvalidEntry::keep},
                                                                       {"remove", snapshot::InvalidEntry::remove}};
  return kNames.at(text);
}

snapshot::FixOptions common_options(const ParsedCommand& command) {
  snapshot::FixOptions options;
  options.parallel = static_cast<unsigned>(std::clamp<std::int64_t>(command.integer("parallel"), 0, 256));
  options.directories = handling(command.text("invalid-directory-handling"));
  return options;
}

// Snapshots by source text, each ascending by start time.
using Selected = std::map<std::string, std::vector<snapshot::SnapshotManifest>>;

Result<Selected> selected_snapshots(Context& context, const ParsedCommand& command, repo::Repository& repository) {
  manifest::ManifestManager& manifests = repository.manifests();
  std::vector<snapshot::SnapshotManifest> all;
  const auto append = [&](std::vector<snapshot::SnapshotManifest> more) {
    all.insert(all.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
  };
  for (const std::string& id : command.list("manifest-id")) {
    auto one = snapshot::load_snapshot(manifests, id, context.stop());
    if (one.ok()) {
      all.push_back(std::move(*one));
    } else {
      context.warn("unable to parse snapshot manifest {}: {}", id, one.status().message());
    }
  }
  for (const std::string& text : command.list("source")) {
    TRY_ASSIGN(const snapshot::SourceInfo source, parse_source(repository, text));
    context.notice("Listing snapshots for source \"{}\"...", source.text());
    TRY_ASSIGN(auto some, snapshot::snapshots_of(manifests, source, context.stop()));
    append(std::move(some));
  }
  if (command.list("manifest-id").empty() && command.list("source").empty()) {
    context.notice("Listing all snapshots...");
    TRY_ASSIGN(auto every, snapshot::list_snapshots(manifests, {}, context.stop()));
    append(std::move(every));
  }
  Selected selected;
  for (snapshot::SnapshotManifest& each : all) {
    selected[each.source.text()].push_back(std::move(each));
  }
  for (auto& [source, snapshots] : selected) {
    std::ranges::stable_sort(snapshots, {}, &snapshot::SnapshotManifest::start_time);
    const auto twice = std::ranges::unique(snapshots, {}, &snapshot::SnapshotManifest::id);
    snapshots.erase(twice.begin(), twice.end());
  }
  return selected;
}

std::int64_t size_of(const snapshot::DirEntry& e) { return e.summ ? e.summ->size : e.size; }

std::string delta_text(std::int64_t delta) { return delta < 0 ? "-" + bytes_text(-delta) : bytes_text(delta); }

// True when the snapshot changed.
Result<bool> fix_one(Context& context, repo::Repository& repository, snapshot::SnapshotFixer& fixer,
                     snapshot::SnapshotManifest& snapshot, bool commit) {
  TRY_ASSIGN(const snapshot::DirEntry root, fixer.fix(snapshot, context.stop()), "error rewriting snapshot {}",
             snapshot.id);
  const std::string time = display_time(snapshot.start_time);
  const snapshot::DirEntry before = *snapshot.root;
  if (root.to_json() == before.to_json()) {
    context.notice("  {} unchanged ({})", time, snapshot.id);
    return false;
  }
  const std::string old_id = snapshot.id;
  snapshot.root = root;
  if (commit) {
    TRY(snapshot::update_snapshot(repository.manifests(), snapshot, context.stop()), "error updating snapshot {}",
        old_id);
  }
  context.notice("  {} replaced manifest from {} to {}", time, old_id, snapshot.id);
  context.notice("    diff {} {}", before.obj.text(), root.obj.text());
  context.notice("    delta:{}", delta_text(size_of(root) - size_of(before)));
  return true;
}

Status fix_snapshots(Context& context, const ParsedCommand& command, const snapshot::FixOptions& options) {
  TRY_ASSIGN(const auto repository, context.open_repository());
  std::int64_t objects = 0, bytes = 0;
  std::int64_t last_ns = 0;
  constexpr Duration kQuietInterval = seconds(30);
  snapshot::SnapshotFixer fixer(
      *repository, options,
      {.on_change = [&](const std::string& line) { context.notice("{}", line); },
       .on_verified =
           [&](std::int64_t size) {
             ++objects;
             bytes += size;
             const std::int64_t now = monotonic_ns();
             if (last_ns == 0 || now - last_ns >= (context.progress() ? seconds(1) : kQuietInterval).ns) {
               last_ns = now;
               context.notice("Processed {} objects ({}).", objects, bytes_text(bytes));
             }
           }});
  if (options.verify_files) {
    context.notice("Listing blobs...");
    TRY_ASSIGN(const std::int64_t blobs, fixer.list_blobs(context.stop()));
    context.notice("Listed {} blobs.", blobs);
  }
  TRY_ASSIGN(auto selected, selected_snapshots(context, command, *repository));
  const bool commit = command.boolean("commit");
  std::int64_t fixed = 0;
  for (auto& [source, snapshots] : selected) {
    context.notice("Processing snapshot {}", source);
    for (snapshot::SnapshotManifest& each : snapshots) {
      TRY_ASSIGN(const bool changed, fix_one(context, *repository, fixer, each, commit));
      fixed += changed ? 1 : 0;
    }
  }
  if (fixed == 0) {
    context.notice("No changes.");
    return {};
  }
  if (!commit) {
    context.notice("Fixed {} snapshots, but snapshot manifests were not updated. Pass --commit to update snapshots.",
                   fixed);
    return {};
  }
  TRY(flush_writer(context, *repository));
  context.notice("Fixed and committed {} snapshots.", fixed);
  return {};
}

Status run_remove_files(Context& context, const ParsedCommand& command) {
  snapshot::FixOptions options = common_options(command);
  options.object_ids = command.list("object-id");
  options.name_patterns = command.list("filename");
  if (options.object_ids.empty() && options.name_patterns.empty()) {
    return error(Code::invalid_argument, "must specify files to remove");
  }
  return fix_snapshots(context, command, options);
}

Status run_invalid_files(Context& context, const ParsedCommand& command) {
  snapshot::FixOptions options = common_options(command);
  options.verify_files = true;
  options.files = handling(command.text("invalid-file-handling"));
  options.read_percent = command.real("verify-files-percent");
  return fix_snapshots(context, command, options);
}

std::vector<FlagSpec> common_flags() {
  return {{.name = "manifest-id", .type = text, .help = "Ids of snapshots to fix", .repeatable = true},
          {.name = "source", .type = text, .help = "Sources whose snapshots to fix", .repeatable = true},
          {.name = "commit", .help = "Update the snapshots; without it only tell what would change"},
          {.name = "parallel", .type = integer, .help = "Files looked at once; by default one a processor"},
          {.name = "invalid-directory-handling",
           .type = choice,
           .default_value = "stub",
           .help = "What becomes of directories that cannot be read: an error, a stub that tells what was there, as is",
           .choices = {"fail", "stub", "keep"}}};
}

}  // namespace

void add_snapshot_fix(CommandTable& table) {
  table.add({.path = "snapshot fix", .help = "Repair snapshots that cannot be read, or take files out of them"});
  std::vector<FlagSpec> remove = common_flags();
  remove.push_back({.name = "object-id", .type = text, .help = "Remove entries with this object", .repeatable = true});
  remove.push_back(
      {.name = "filename", .type = text, .help = "Remove entries whose name matches this pattern", .repeatable = true});
  table.add({.path = "snapshot fix remove-files",
             .help = "Remove files and directories from snapshots",
             .flags = std::move(remove),
             .run = run_remove_files});
  std::vector<FlagSpec> invalid = common_flags();
  invalid.push_back({.name = "invalid-file-handling",
                     .type = choice,
                     .default_value = "stub",
                     .help = "What becomes of files that cannot be read: an error, a stub, as is, left out",
                     .choices = {"fail", "stub", "keep", "remove"}});
  invalid.push_back({.name = "verify-files-percent",
                     .type = real,
                     .default_value = "0",
                     .help = "Read this part of the files, in percent"});
  table.add({.path = "snapshot fix invalid-files",
             .help = "Replace files and directories that cannot be read",
             .flags = std::move(invalid),
             .run = run_invalid_files});
}

}  // namespace cairn::cli
