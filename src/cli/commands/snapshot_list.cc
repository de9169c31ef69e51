// snapshot list (kopia-interfaces §1.8.9, 1.9.3).
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/units.h"
#include "cli/commands/commands.h"
#include "cli/format.h"
#include "cli/storage_stats.h"
#include "cli/targets.h"
#include "snapshot/retention.h"
#include "snapshot/store.h"
#include "snapshot/tree_walk.h"
#include "sys/terminal.h"

namespace cairn::cli {
namespace {

using enum ValueType;
using snapshot::SnapshotManifest;

struct Group {
  snapshot::SourceInfo source;
  std::vector<SnapshotManifest> snapshots;  // in the order of display
  std::string relative_path;                // what was asked for, below the source
};

// --- which snapshots

Result<std::map<std::string, std::string>> tag_labels(const ParsedCommand& command) {
  std::map<std::string, std::string> labels;
  for (const std::string& text : command.list("tags")) {
    TRY_ASSIGN(auto pair, split_pair(text, "Invalid tag format (" + text + "). Requires <key>:<value>"));
    labels["tag:" + pair.first] = pair.second;
  }
  return labels;
}

std::string path_below(const std::string& path, const std::string& parent) {
  if (path == parent) {
    return "";
  }
  return path.substr(parent.ends_with('/') ? parent.size() : parent.size() + 1);
}

// Snapshots of the source of the argument and of its parent directories; of everything without an argument.
Result<std::vector<Group>> find_groups(Context& context, const ParsedCommand& command, repo::Repository& repository) {
  snapshot::SnapshotFilter filter;
  TRY_ASSIGN(filter.tags, tag_labels(command));
  std::map<std::string, Group> groups;  // by text: the order of display
  const auto collect = [&](const std::string& relative_path) -> Status {
    TRY_ASSIGN(auto found, snapshot::list_snapshots(repository.manifests(), filter, context.stop()));
    for (SnapshotManifest& each : found) {
      Group& group = groups[each.source.text()];
      group.source = each.source;
      group.relative_path = relative_path;
      group.snapshots.push_back(std::move(each));
    }
    return {};
  };
  if (const std::string& word = command.argument("source"); word.empty()) {
    TRY(collect(""));
  } else {
    TRY_ASSIGN(filter.source, parse_source(repository, word));
    const std::string path = filter.source.path;
    const std::vector<std::string> paths = path.empty() ? std::vector<std::string>() : snapshot::path_and_parents(path);
    for (const std::string& each : paths) {
      filter.source.path = each;
      TRY(collect(path_below(path, each)));
    }
  }
  std::vector<Group> sorted;
  for (auto& [text, group] : groups) {
    sorted.push_back(std::move(group));
  }
  return sorted;
}

// Reasons, order and --max-results. Quirk kept: with --reverse the last N are the oldest.
Status arrange(Context& context, const ParsedCommand& command, repo::Repository& repository, Group& group) {
  if (command.boolean("retention")) {
    TRY_ASSIGN(const auto effective, snapshot::effective_policy(repository.manifests(), group.source, context.stop()));
    snapshot::compute_retention_reasons(effective.policy.retention, group.snapshots);
  }
  if (!command.boolean("incomplete") && !command.boolean("json")) {
    std::erase_if(group.snapshots, [](const SnapshotManifest& each) { return !each.incomplete.empty(); });
  }
  if (command.boolean("reverse")) {
    std::ranges::reverse(group.snapshots);
  }
  const std::int64_t limit = command.integer("max-results");
  if (limit > 0 && std::ssize(group.snapshots) > limit) {
    group.snapshots.erase(group.snapshots.begin(), group.snapshots.end() - limit);
  }
  return {};
}

// --- JSON

Json with_storage_stats(const Json& manifest, const StorageStats& stats) {
  Json out = Json::object();
  bool placed = false;
  for (const auto& [key, value] : manifest.members()) {
    if (!placed && (key == "pins" || key == "retentionReason")) {
      out.set("storageStats", stats.to_json());
      placed = true;
    }
    out.set(key, value);
  }
  if (!placed) {
    out.set("storageStats", stats.to_json());
  }
  return out;
}

Json manifest_json(const SnapshotManifest& each) {
  Json json = each.to_json();
  if (!each.retention_reasons.empty() && json.find("retentionReason") == nullptr) {
    Json reasons = Json::array();
    for (const std::string& reason : each.retention_reasons) {
      reasons.push_back(reason);
    }
    json.set("retentionReason", std::move(reasons));
  }
  return json;
}

Status list_json(Context& context, const ParsedCommand& command, repo::Repository& repository,
                 std::vector<Group> groups) {
  JsonList list(context, command);
  for (Group& group : groups) {
    TRY(arrange(context, command, repository, group));
    StorageStatsCounter counter(repository);
    for (const SnapshotManifest& each : group.snapshots) {
      Json json = manifest_json(each);
      if (command.boolean("storage-stats") && each.root) {
        TRY_ASSIGN(const StorageStats stats, counter.add(*each.root, context.stop()),
                   "unable to calculate storage stats");
        json = with_storage_stats(json, stats);
      }
      list.add(json);
    }
  }
  list.end();
  return {};
}

// --- rows

struct Row {
  Timestamp start{}, last{};
  std::string id, problem;  // a problem: the entry could not be read
  snapshot::DirEntry entry;
  std::string incomplete;
  std::set<std::string> pins;
  std::vector<std::string> reasons;
  StorageUsage added;
  std::int64_t identical = 0;
};

class GroupPrinter {
 public:
  GroupPrinter(Context& context, const ParsedCommand& command, repo::Repository& repository, const Group& group)
      : context_(context),
        command_(command),
        repository_(repository),
        group_(group),
        counter_(repository),
        red_(context.colour() && sys::is_terminal(STDOUT_FILENO)) {}

  Status collect() {
    for (const SnapshotManifest& each : group_.snapshots) {
      TRY(collect_one(each));
    }
    return {};
  }
  bool empty() const { return rows_.empty(); }
  void print() {
    context_.print("{}\n", group_.source.text());
    std::optional<std::int64_t> previous_size;
    for (const Row& row : rows_) {
      context_.write(text_of(row, previous_size));
      previous_size = size_of(row.entry);
    }
  }

 private:
  Status collect_one(const SnapshotManifest& each) {
    if (!each.root) {
      return {};
    }
    Row row;
    row.start = row.last = each.start_time;
    row.id = each.id;
    row.incomplete = each.incomplete;
    row.pins.insert(each.pins.begin(), each.pins.end());
    row.reasons = each.retention_reasons;
    auto entry = nested(*each.root);
    if (entry.code() == Code::not_found) {
      return {};  // this snapshot does not hold the path
    }
    if (entry.ok()) {
      row.entry = std::move(entry).value();
    } else {
      row.problem = std::move(entry).status().message();
    }
    if (row.problem.empty() && command_.boolean("storage-stats")) {
      TRY_ASSIGN(const StorageStats stats, counter_.add(row.entry, context_.stop()),
                 "unable to calculate storage stats");
      row.added = stats.new_data;
    }
    merge_or_append(std::move(row));
    return {};
  }

  void merge_or_append(Row row) {
    const bool same = !rows_.empty() && !command_.boolean("show-identical") && row.problem.empty() &&
                      rows_.back().problem.empty() && rows_.back().entry.obj == row.entry.obj;
    if (!same) {
      rows_.push_back(std::move(row));
      return;
    }
    Row& into = rows_.back();
    into.last = row.start;
    ++into.identical;
    into.pins.merge(row.pins);
    into.reasons.insert(into.reasons.end(), row.reasons.begin(), row.reasons.end());
  }

  // The entry that was asked for, below the root of a snapshot.
  Result<snapshot::DirEntry> nested(const snapshot::DirEntry& root) {
    snapshot::DirEntry entry = root;
    std::string_view rest = group_.relative_path;
    while (!rest.empty()) {
      const std::size_t end = std::min(rest.find('/'), rest.size());
      const std::string_view name = rest.substr(0, end);
      rest.remove_prefix(std::min(end + 1, rest.size()));
      if (entry.type != snapshot::EntryType::directory) {
        return error(Code::not_found, "not a directory");
      }
      TRY_ASSIGN(entry, snapshot::find_child(repository_.objects(), entry.obj, name, {}, context_.stop()));
    }
    return entry;
  }

  static std::int64_t size_of(const snapshot::DirEntry& entry) { return entry.summ ? entry.summ->size : entry.size; }
  std::string bytes(std::int64_t n) const {
    return command_.boolean("human-readable") ? bytes_text(n) : std::to_string(n);
  }

  // An unchanged size is an empty bit, which keeps the columns of scripts that split at blanks.
  std::string delta_text(std::int64_t size, const std::optional<std::int64_t>& previous) const {
    const std::int64_t delta = previous ? size - *previous : 0;
    return delta == 0 ? "" : fmt::format("({}{})", delta > 0 ? "+" : "-", bytes(delta > 0 ? delta : -delta));
  }

  void add_storage(std::vector<std::string>& bits, const StorageUsage& added) const {
    const double saved = added.original_content_bytes == 0
                             ? 0
                             : 100.0 * static_cast<double>(added.original_content_bytes - added.packed_content_bytes) /
                                   static_cast<double>(added.original_content_bytes);
    bits.push_back("new-data:" + bytes_text(added.packed_content_bytes));
    bits.push_back(fmt::format("new-files:{}", added.file_objects));
    bits.push_back(fmt::format("new-dirs:{}", added.directory_objects));
    bits.push_back(fmt::format("compression:{:.0f}%", std::max(0.0, saved)));
  }

  std::vector<std::string> bits_of(const Row& row, const std::optional<std::int64_t>& previous_size) const {
    const snapshot::DirEntry& entry = row.entry;
    std::vector<std::string> bits;
    if (!row.incomplete.empty()) {
      bits.push_back("incomplete:" + row.incomplete);
    }
    bits.push_back(bytes(size_of(entry)));
    bits.push_back(mode_text(static_cast<char>(entry.type), entry.mode));
    if (command_.boolean("owner")) {
      bits.push_back(fmt::format("uid:{}", entry.uid));
      bits.push_back(fmt::format("gid:{}", entry.gid));
    }
    if (command_.boolean("mtime")) {
      bits.push_back("modified:" + display_time(entry.mtime));
    }
    if (command_.boolean("manifest-id")) {
      bits.push_back("manifest:" + row.id);
    }
    if (command_.boolean("delta")) {
      bits.push_back(delta_text(size_of(entry), previous_size));
    }
    if (entry.summ) {
      bits.push_back(fmt::format("files:{}", entry.summ->files));
      bits.push_back(fmt::format("dirs:{}", entry.summ->dirs));
      if (entry.summ->num_failed > 0) {
        bits.push_back(fmt::format("errors:{}", entry.summ->num_failed));
      }
    }
    if (command_.boolean("storage-stats")) {
      add_storage(bits, row.added);
    }
    if (!row.reasons.empty()) {
      bits.push_back(fmt::format("({})", fmt::join(snapshot::compact_retention_reasons(row.reasons), ",")));
    }
    if (!row.pins.empty()) {
      bits.push_back(fmt::format("pins:{}", fmt::join(row.pins, ",")));
    }
    return bits;
  }

  std::string text_of(const Row& row, const std::optional<std::int64_t>& previous_size) const {
    if (!row.problem.empty()) {
      return fmt::format("  {} <ERROR> {}\n", display_time(row.start), row.problem);
    }
    std::string line = fmt::format("  {} {} {}", display_time(row.start), row.entry.obj.text(),
                                   fmt::join(bits_of(row, previous_size), " "));
    if (red_ && row.entry.summ && row.entry.summ->num_failed > 0) {
      line = "\033[91m" + line + "\033[0m";
    }
    line += '\n';
    if (row.identical > 0) {
      line += fmt::format("  + {} identical snapshots until {}\n", row.identical, display_time(row.last));
    }
    return line;
  }

  Context& context_;
  const ParsedCommand& command_;
  repo::Repository& repository_;
  const Group& group_;
  StorageStatsCounter counter_;
  std::vector<Row> rows_;
  const bool red_;
};

Status list_rows(Context& context, const ParsedCommand& command, repo::Repository& repository,
                 std::vector<Group> groups) {
  bool any_shown = false, any_hidden = false;
  for (Group& group : groups) {
    const bool mine =
        group.source.user_name == repository.client().username && group.source.host == repository.client().hostname;
    if (!mine && !command.boolean("all")) {
      any_hidden = true;
      continue;
    }
    TRY(arrange(context, command, repository, group));
    GroupPrinter printer(context, command, repository, group);
    TRY(printer.collect());
    if (printer.empty()) {
      continue;
    }
    if (any_shown) {
      context.write("\n");
    }
    printer.print();
    any_shown = true;
  }
  if (!any_shown && any_hidden) {
    context.notice("No snapshots found. Pass --all to show snapshots from all users/hosts.\n");
  }
  return {};
}

Status run_snapshot_list(Context& context, const ParsedCommand& command) {
  TRY_ASSIGN(const auto repository, context.open_repository({.read_only = true}));
  TRY_ASSIGN(auto groups, find_groups(context, command, *repository));
  if (command.boolean("json")) {
    return list_json(context, command, *repository, std::move(groups));
  }
  return list_rows(context, command, *repository, std::move(groups));
}

}  // namespace

void add_snapshot_list(CommandTable& table) {
  std::vector<FlagSpec> flags = {
      {.name = "incomplete", .short_name = 'i', .help = "Incomplete snapshots too"},
      {.name = "human-readable", .default_value = "true", .help = "Sizes with units"},
      {.name = "delta", .short_name = 'd', .help = "Growth against the previous row"},
      {.name = "manifest-id", .short_name = 'm', .help = "Show snapshot ids"},
      {.name = "retention", .default_value = "true", .help = "Show retention reasons"},
      {.name = "mtime", .help = "Show modification times"},
      {.name = "owner", .help = "Show owners"},
      {.name = "show-identical", .short_name = 'l', .help = "Show identical snapshots singly"},
      {.name = "storage-stats", .help = "Show how much each snapshot added"},
      {.name = "reverse", .help = "Newest first"},
      {.name = "all", .short_name = 'a', .help = "All users and hosts"},
      {.name = "max-results", .short_name = 'n', .type = integer, .help = "Number of snapshots per source"},
      {.name = "tags", .type = text, .help = "Only snapshots with this tag, as key:value", .repeatable = true},
  };
  append_flags(flags, json_flags());
  table.add({.path = "snapshot list",
             .help = "List snapshots",
             .aliases = {"ls"},
             .arguments = {{.name = "source", .help = "A path or user@host:/path"}},
             .flags = std::move(flags),
             .run = run_snapshot_list});
}

}  // namespace cairn::cli
