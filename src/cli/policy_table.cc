#include "cli/policy_table.h"

#include <algorithm>
#include <optional>

#include "base/units.h"

namespace cairn::cli {
namespace {

struct Row {
  std::string name, value, origin;
};

class PolicyRows {
 public:
  PolicyRows(const snapshot::EffectivePolicy& effective, const snapshot::SourceInfo& target)
      : policy_(effective.policy), definition_(effective.definition), target_(target) {}

  void retention();
  void files();
  void errors();
  void scheduling();
  void upload();
  void compression();
  void metadata_compression();
  void splitter();
  void actions();
  void os_snapshots();
  void logging();

  void blank() { rows_.push_back({}); }
  std::string text() const;

 private:
  // What is defined nowhere counts as the global policy's.
  std::string origin(std::string_view key) const {
    const snapshot::SourceInfo* source = definition_.find(key);
    const snapshot::SourceInfo from = source == nullptr ? snapshot::SourceInfo{} : *source;
    return from == target_ ? "(defined for this target)" : "inherited from " + from.text();
  }
  void heading(std::string text) { rows_.push_back({std::move(text), "", ""}); }
  void row(std::string name, std::string value, std::string_view key) {
    rows_.push_back({std::move(name), std::move(value), origin(key)});
  }
  void number(std::string name, const std::optional<std::int64_t>& value, std::string_view key) {
    row(std::move(name), value ? std::to_string(*value) : "-", key);
  }
  void yes_no(std::string name, bool value, std::string_view key) {
    row(std::move(name), value ? "true" : "false", key);
  }
  void list(std::string name, const std::vector<std::string>& items, std::string_view key, std::string_view indent) {
    row(std::move(name), "", key);
    for (const std::string& item : items) {
      heading(std::string(indent) + item);
    }
  }
  void size_limits();
  void action(const char* title, const std::optional<snapshot::ActionCommand>& command, std::string_view key,
              bool inheritable);

  const snapshot::Policy& policy_;
  const snapshot::PolicyDefinition& definition_;
  const snapshot::SourceInfo& target_;
  std::vector<Row> rows_;
};

void PolicyRows::retention() {
  const snapshot::RetentionPolicy& p = policy_.retention;
  heading("Retention:");
  number("  Annual snapshots:", p.keep_annual, "retention.keepAnnual");
  number("  Monthly snapshots:", p.keep_monthly, "retention.keepMonthly");
  number("  Weekly snapshots:", p.keep_weekly, "retention.keepWeekly");
  number("  Daily snapshots:", p.keep_daily, "retention.keepDaily");
  number("  Hourly snapshots:", p.keep_hourly, "retention.keepHourly");
  number("  Latest snapshots:", p.keep_latest, "retention.keepLatest");
  yes_no("  Ignore identical snapshots:", p.ignore_identical_snapshots.value_or(false),
         "retention.ignoreIdenticalSnapshots");
}

void PolicyRows::files() {
  const snapshot::FilesPolicy& p = policy_.files;
  heading("Files policy:");
  yes_no("  Ignore cache directories:", p.ignore_cache_dirs_or_default(), "files.ignoreCacheDirs");
  if (p.ignore.empty()) {
    heading("  No ignore rules:");
  } else {
    list("  Ignore rules:", p.ignore, "files.ignore", "    ");
  }
  if (!p.ignore_dot_files.empty()) {
    list("  Read ignore rules from files:", p.ignore_dot_files, "files.ignoreDotFiles", "    ");
  }
  if (p.max_file_size > 0) {
    row("  Ignore files above:", bytes_text(p.max_file_size), "files.maxFileSize");
  }
  yes_no("  Scan one filesystem only:", p.one_file_system.value_or(false), "files.oneFileSystem");
}

void PolicyRows::errors() {
  const snapshot::ErrorHandlingPolicy& p = policy_.error_handling;
  heading("Error handling policy:");
  yes_no("  Ignore file read errors:", p.ignore_file_errors_or_default(), "errorHandling.ignoreFileErrors");
  yes_no("  Ignore directory read errors:", p.ignore_directory_errors_or_default(),
         "errorHandling.ignoreDirectoryErrors");
  yes_no("  Ignore unknown types:", p.ignore_unknown_types_or_default(), "errorHandling.ignoreUnknownTypes");
}

void PolicyRows::scheduling() {
  const snapshot::SchedulingPolicy& p = policy_.scheduling;
  heading("Scheduling policy:");
  heading("  Scheduled snapshots:");
  if (p.interval_seconds != 0) {
    row("    Snapshot interval:", go_duration(seconds(p.interval_seconds)), "scheduling.intervalSeconds");
  }
  if (!p.times_of_day.empty() || !p.cron.empty()) {
    yes_no("  Run missed snapshots:", p.run_missed.value_or(true), "scheduling.runMissed");
  }
  if (!p.times_of_day.empty()) {
    row("  Snapshot times:", "", "scheduling.timeOfDay");
    for (const snapshot::TimeOfDay& time : p.times_of_day) {
      heading("    " + time.text());
    }
  }
  if (!p.cron.empty()) {
    list("  Crontab expressions:", p.cron, "scheduling.cron", "    ");
  }
  if (p.interval_seconds == 0 && p.times_of_day.empty() && p.cron.empty()) {
    heading("    None.");
  }
  yes_no("  Manual snapshot:", p.manual, "scheduling.manual");
}

void PolicyRows::upload() {
  const snapshot::UploadPolicy& p = policy_.upload;
  heading("Uploads:");
  number("  Max parallel snapshots (server/UI):", p.max_parallel_snapshots, "upload.maxParallelSnapshots");
  number("  Max parallel file reads:", p.max_parallel_file_reads, "upload.maxParallelFileReads");
  row("  Parallel upload above size:", p.parallel_upload_above_size ? bytes_text(*p.parallel_upload_above_size) : "-",
      "upload.parallelUploadAboveSize");
}

void PolicyRows::size_limits() {
  const snapshot::CompressionPolicy& p = policy_.compression;
  if (p.min_size > 0 && p.max_size > 0) {
    heading("  Only compress files between " + bytes_text(p.min_size) + " and " + bytes_text(p.max_size) + ".");
  } else if (p.min_size > 0) {
    heading("  Only compress files bigger than " + bytes_text(p.min_size) + ".");
  } else if (p.max_size > 0) {
    heading("  Only compress files smaller than " + bytes_text(p.max_size) + ".");
  } else {
    heading("  Compress files of all sizes.");
  }
}

void PolicyRows::compression() {
  const snapshot::CompressionPolicy& p = policy_.compression;
  if (p.compressor_name.empty() || p.compressor_name == "none") {
    heading("Compression disabled.");
    return;
  }
  heading("Compression:");
  row("  Compressor:", p.compressor_name, "compression.compressorName");
  if (!p.only_compress.empty()) {
    list("  Only compress files with the following extensions:", p.only_compress, "compression.onlyCompress",
         "     - ");
  } else if (!p.never_compress.empty()) {
    list("  Compress all files except the following extensions:", p.never_compress, "compression.neverCompress",
         "    ");
  } else {
    heading("  Compress files regardless of extensions.");
  }
  size_limits();
}

void PolicyRows::metadata_compression() {
  if (policy_.metadata_compressor_name.empty() || policy_.metadata_compressor_name == "none") {
    heading("Metadata compression disabled.");
    return;
  }
  heading("Metadata compression:");
  row("  Compressor:", policy_.metadata_compressor_name, "metadataCompression.compressorName");
}

void PolicyRows::splitter() {
  heading("Splitter:");
  row("  Algorithm override:", policy_.splitter_algorithm.empty() ? "(repository default)" : policy_.splitter_algorithm,
      "splitter.algorithm");
}

void PolicyRows::action(const char* title, const std::optional<snapshot::ActionCommand>& command, std::string_view key,
                        bool inheritable) {
  if (!command) {
    return;
  }
  rows_.push_back({title, "", inheritable ? origin(key) : "(non-inheritable)"});
  if (!command->script.empty()) {
    heading("  Embedded script (stored in repository):");
    std::string_view script = command->script;
    while (!script.empty()) {
      const std::size_t end = std::min(script.find('\n'), script.size());
      heading("    " + std::string(script.substr(0, end)));
      script.remove_prefix(std::min(end + 1, script.size()));
    }
  } else {
    std::string line = command->path;
    for (const std::string& argument : command->args) {
      line += " " + argument;
    }
    rows_.push_back({"  Command:", line, ""});
  }
  rows_.push_back({"  Mode:", command->mode, ""});
  rows_.push_back({"  Timeout:", go_duration(seconds(command->timeout_seconds)), ""});
  blank();
}

void PolicyRows::actions() {
  const snapshot::ActionsPolicy& p = policy_.actions;
  if (!p.before_folder && !p.after_folder && !p.before_snapshot_root && !p.after_snapshot_root) {
    heading("No actions defined.");
    return;
  }
  action("Run command before snapshot root:", p.before_snapshot_root, "actions.beforeSnapshotRoot", true);
  action("Run command after snapshot root:", p.after_snapshot_root, "actions.afterSnapshotRoot", true);
  action("Run command before this folder:", p.before_folder, "actions.beforeFolder", false);
  action("Run command after this folder:", p.after_folder, "actions.afterFolder", false);
}

void PolicyRows::os_snapshots() {
  static constexpr const char* kNames[] = {"never", "always", "when-available"};
  const std::int64_t mode = policy_.volume_shadow_copy.value_or(0);
  heading("OS-level snapshot support:");
  row("  Volume Shadow Copy:", mode >= 0 && mode <= 2 ? kNames[mode] : std::to_string(mode),
      "osSnapshots.volumeShadowCopy.enable");
}

void PolicyRows::logging() {
  const snapshot::LoggingPolicy& p = policy_.logging;
  const auto detail = [&](const char* name, const std::optional<std::int64_t>& value, std::string_view key) {
    row(name, std::to_string(value.value_or(0)), key);
  };
  heading("Logging details (0-none, 10-maximum):");
  detail("  Directory snapshotted:", p.dir_snapshotted, "logging.directories.snapshotted");
  detail("  Directory ignored:", p.dir_ignored, "logging.directories.ignored");
  detail("  Entry snapshotted:", p.entry_snapshotted, "logging.entries.snapshotted");
  detail("  Entry ignored:", p.entry_ignored, "logging.entries.ignored");
  detail("  Entry cache hit:", p.entry_cache_hit, "logging.entries.cacheHit");
  detail("  Entry cache miss:", p.entry_cache_miss, "logging.entries.cacheMiss");
}

std::string PolicyRows::text() const {
  constexpr std::size_t kGap = 3;
  std::size_t width = 0;
  for (const Row& row : rows_) {
    if (!row.value.empty()) {
      width = std::max(width, row.name.size() + kGap + row.value.size());
    }
  }
  std::string out;
  for (const Row& row : rows_) {
    std::string line = row.name;
    if (!row.value.empty()) {
      line.append(width - row.name.size() - row.value.size(), ' ').append(row.value);
    } else if (!row.origin.empty() && line.size() < width) {
      line.append(width - line.size(), ' ');
    }
    if (!row.origin.empty()) {
      line.append(kGap, ' ').append(row.origin);
    }
    out += line + "\n";
  }
  return out;
}

}  // namespace

std::string policy_table(const snapshot::EffectivePolicy& effective, const snapshot::SourceInfo& target) {
  PolicyRows rows(effective, target);
  using Section = void (PolicyRows::*)();
  constexpr Section kSections[] = {&PolicyRows::retention,
                                   &PolicyRows::files,
                                   &PolicyRows::errors,
                                   &PolicyRows::scheduling,
                                   &PolicyRows::upload,
                                   &PolicyRows::compression,
                                   &PolicyRows::metadata_compression,
                                   &PolicyRows::splitter,
                                   &PolicyRows::actions,
                                   &PolicyRows::os_snapshots,
                                   &PolicyRows::logging};
  bool first = true;
  for (const Section section : kSections) {
    if (!first) {
      rows.blank();
    }
    first = false;
    (rows.*section)();
  }
  return rows.text();
}

std::string short_policy_table(const snapshot::EffectivePolicy& effective, const snapshot::SourceInfo& target) {
  PolicyRows rows(effective, target);
  rows.retention();
  rows.compression();
  return rows.text();
}

}  // namespace cairn::cli
