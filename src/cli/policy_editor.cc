#include "cli/policy_editor.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/units.h"
#include "cli/values.h"
#include "snapshot/schedule.h"
#include "sys/file.h"

namespace cairn::cli {
namespace {

bool means_inherit(const std::string& text) { return text == "inherit" || text == "default"; }

void insert_sorted(std::vector<std::string>& items, const std::string& item) {
  const auto at = std::ranges::lower_bound(items, item);
  if (at == items.end() || *at != item) {
    items.insert(at, item);
  }
}

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::size_t start = 0;
  for (std::size_t end; start <= text.size(); start = end + 1) {
    end = std::min(text.find(separator, start), text.size());
    const std::string_view part = trim(std::string_view(text).substr(start, end - start));
    if (!part.empty()) {
      parts.emplace_back(part);
    }
  }
  return parts;
}

// Words at blanks; quotation marks keep blanks together.
std::vector<std::string> split_words(const std::string& text) {
  std::vector<std::string> words;
  std::string word;
  bool quoted = false, any = false;
  for (const char c : text) {
    if (c == '"') {
      quoted = !quoted;
      any = true;
    } else if (c == ' ' && !quoted) {
      if (any || !word.empty()) {
        words.push_back(std::move(word));
      }
      word.clear();
      any = false;
    } else {
      word.push_back(c);
    }
  }
  if (any || !word.empty()) {
    words.push_back(std::move(word));
  }
  return words;
}

std::string quoted(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

}  // namespace

Status PolicyEditor::number(const char* flag, const char* what, Number& field, std::string_view frame, bool quote) {
  const std::string& text = command_.text(flag);
  if (text.empty()) {
    return {};
  }
  if (means_inherit(text)) {
    field.reset();
    say(" - resetting \"{}\" to a default value inherited from parent.", what);
    return {};
  }
  const auto value = parse_int_text(text);
  if (!value.ok()) {
    const std::string shown = quote ? fmt::format("the \"{}\"", what) : fmt::format("the {}", what);
    return value.status().with_frame(fmt::format("can't parse {} {}", shown, quoted(text))).with_frame(frame);
  }
  field = *value;
  say(" - setting \"{}\" to {}.", what, *value);
  return {};
}

Status PolicyEditor::plain_number(const char* flag, const char* what, std::int64_t& field) {
  Number value = field == 0 ? Number() : Number(field);
  TRY(number(flag, what, value, what, true));
  field = value.value_or(0);
  return {};
}

Status PolicyEditor::yes_no(const char* flag, const char* what, std::optional<bool>& field) {
  const std::string& text = command_.text(flag);
  if (text.empty()) {
    return {};
  }
  if (means_inherit(text)) {
    field.reset();
    say(" - resetting \"{}\" to a default value inherited from parent.", what);
    return {};
  }
  TRY_ASSIGN(field, parse_bool_text(text), "can't parse the \"{}\" {}", what, quoted(text));
  say(" - setting \"{}\" to {}.", what, *field);
  return {};
}

// --clear-x wins over --add-x and --remove-x, as users of the original know it.
void PolicyEditor::list(const char* name, const char* what, std::vector<std::string>& field) {
  if (command_.boolean(fmt::format("clear-{}", name))) {
    field.clear();
    say(" - removing all from \"{}\"", what);
    return;
  }
  for (const std::string& item : command_.list(fmt::format("add-{}", name))) {
    insert_sorted(field, item);
    say(" - adding {} to \"{}\"", quoted(item), what);
  }
  for (const std::string& item : command_.list(fmt::format("remove-{}", name))) {
    std::erase(field, item);
    say(" - removing {} from \"{}\"", quoted(item), what);
  }
}

void PolicyEditor::name(const char* flag, const char* what, std::string& field) {
  const std::string& text = command_.text(flag);
  if (text.empty()) {
    return;
  }
  if (text == "inherit") {
    field.clear();
    say(" - resetting {} to default value inherited from parent", what);
    return;
  }
  field = text;
  say(" - setting {} to {}", what, text);
}

Status PolicyEditor::retention() {
  snapshot::RetentionPolicy& p = policy_.retention;
  TRY(number("keep-annual", "number of annual backups to keep", p.keep_annual, "", false));
  TRY(number("keep-monthly", "number of monthly backups to keep", p.keep_monthly, "", false));
  TRY(number("keep-weekly", "number of weekly backups to keep", p.keep_weekly, "", false));
  TRY(number("keep-daily", "number of daily backups to keep", p.keep_daily, "", false));
  TRY(number("keep-hourly", "number of hourly backups to keep", p.keep_hourly, "", false));
  TRY(number("keep-latest", "number of latest backups to keep", p.keep_latest, "", false));
  return yes_no("ignore-identical-snapshots", "do not save identical snapshots", p.ignore_identical_snapshots);
}

Status PolicyEditor::files() {
  snapshot::FilesPolicy& p = policy_.files;
  TRY(plain_number("max-file-size", "maximum file size", p.max_file_size));
  list("dot-ignore", "dot-ignore filenames", p.ignore_dot_files);
  list("ignore", "ignore rules", p.ignore);
  TRY(yes_no("ignore-cache-dirs", "ignore cache dirs", p.ignore_cache_dirs));
  return yes_no("one-file-system", "one filesystem", p.one_file_system);
}

Status PolicyEditor::error_handling() {
  snapshot::ErrorHandlingPolicy& p = policy_.error_handling;
  TRY(yes_no("ignore-file-errors", "ignore file errors", p.ignore_file_errors));
  TRY(yes_no("ignore-dir-errors", "ignore directory errors", p.ignore_directory_errors));
  return yes_no("ignore-unknown-types", "ignore unknown types", p.ignore_unknown_types);
}

Status PolicyEditor::compression() {
  snapshot::CompressionPolicy& p = policy_.compression;
  TRY(plain_number("compression-min-size", "minimum file size subject to compression", p.min_size));
  TRY(plain_number("compression-max-size", "maximum file size subject to compression", p.max_size));
  name("compression", "compression algorithm", p.compressor_name);
  list("only-compress", "only-compress extensions", p.only_compress);
  list("never-compress", "never-compress extensions", p.never_compress);
  return {};
}

Status PolicyEditor::metadata_compression() {
  name("metadata-compression", "metadata compression algorithm", policy_.metadata_compressor_name);
  return {};
}

Status PolicyEditor::splitter() {
  name("splitter", "splitter algorithm override", policy_.splitter_algorithm);
  return {};
}

Status PolicyEditor::snapshot_times() {
  if (command_.list("snapshot-time").empty()) {
    return {};
  }
  std::vector<snapshot::TimeOfDay> times;
  std::string shown;
  bool reset = false;
  for (const std::string& text : command_.list("snapshot-time")) {
    for (const std::string& part : split(text, ',')) {
      reset = reset || means_inherit(part);
      if (!means_inherit(part)) {
        TRY_ASSIGN(times.emplace_back(), snapshot::TimeOfDay::parse(part), "unable to parse time of day");
      }
    }
  }
  if (reset) {
    policy_.scheduling.times_of_day.clear();
    say(" - resetting snapshot times of day to default");
    return {};
  }
  std::ranges::sort(times);
  times.erase(std::ranges::unique(times).begin(), times.end());
  for (const snapshot::TimeOfDay& time : times) {
    shown += (shown.empty() ? "" : " ") + time.text();
  }
  policy_.scheduling.times_of_day = std::move(times);
  say(" - setting snapshot times to [{}]", shown);
  return {};
}

Status PolicyEditor::cron() {
  const std::string& text = command_.text("snapshot-time-crontab");
  if (text.empty()) {
    return {};
  }
  if (means_inherit(text)) {
    policy_.scheduling.cron.clear();
    say(" - resetting cron snapshot times to default");
    return {};
  }
  std::vector<std::string> lines = split(text, ';');
  say(" - setting cron snapshot times to [{}]", fmt::join(lines, " "));
  for (const std::string& line : lines) {
    TRY(snapshot::parse_cron_line(line), "invalid scheduling policy");
  }
  policy_.scheduling.cron = std::move(lines);
  return {};
}

// Quirk that scripts rely on: a manual policy stops being manual by any `policy set` without --manual.
void PolicyEditor::manual() {
  snapshot::SchedulingPolicy& p = policy_.scheduling;
  if (!command_.boolean("manual")) {
    if (p.manual) {
      p.manual = false;
      say(" - resetting manual snapshot field to false\n");
    }
    return;
  }
  if (p.interval_seconds != 0) {
    p.interval_seconds = 0;
    say(" - resetting snapshot interval to default\n");
  }
  if (!p.times_of_day.empty()) {
    p.times_of_day.clear();
    say(" - resetting snapshot times of day to default\n");
  }
  if (!p.cron.empty()) {
    p.cron.clear();
    say(" - resetting cron snapshot times to default\n");
  }
  p.manual = true;
  say(" - setting manual snapshot field to true\n");
}

Status PolicyEditor::scheduling() {
  const bool schedules =
      command_.given("snapshot-interval") || command_.given("snapshot-time") || command_.given("snapshot-time-crontab");
  if (schedules && command_.boolean("manual")) {
    return error(Code::invalid_argument, "cannot set manual field when scheduling snapshots");
  }
  if (command_.given("snapshot-interval")) {
    const Duration interval = command_.duration("snapshot-interval");
    policy_.scheduling.interval_seconds = interval.ns / 1'000'000'000;
    say(" - setting snapshot interval to {}", go_duration(interval));
  }
  TRY(snapshot_times());
  TRY(cron());
  TRY(yes_no("run-missed", "run missed snapshots", policy_.scheduling.run_missed));
  manual();
  return {};
}

Status PolicyEditor::one_action(const std::string& name, std::optional<snapshot::ActionCommand>& action) {
  constexpr std::size_t kScriptBytesMax = 32'000;
  const std::string flag = name + "-action";
  const std::string& text = command_.text(flag);
  if (!command_.given(flag) || text == "-") {
    return {};
  }
  if (text.empty()) {
    action.reset();
    say(" - removing {} action", name);
    return {};
  }
  snapshot::ActionCommand fresh;
  fresh.mode = command_.text("action-command-mode");
  const Duration timeout = command_.duration("action-command-timeout");
  fresh.timeout_seconds = timeout.ns / 1'000'000'000;
  if (command_.boolean("persist-action-script")) {
    TRY_ASSIGN(const Buffer script, sys::read_file(text, 4 * kScriptBytesMax), "invalid {}: unable to read script file",
               flag);
    if (script.size() > kScriptBytesMax) {
      return error(Code::invalid_argument, "invalid {}: action script file too long: {} bytes, max allowed {}", flag,
                   script.size(), kScriptBytesMax);
    }
    fresh.script = script.text();
    say(" - setting {} ({}) action script from file {} ({} bytes) with timeout {}", name, fresh.mode, text,
        script.size(), go_duration(timeout));
    action = std::move(fresh);
    return {};
  }
  std::vector<std::string> words = split_words(text);
  if (words.empty()) {
    return error(Code::invalid_argument, "invalid {}: empty command", flag);
  }
  fresh.path = words.front();
  fresh.args.assign(words.begin() + 1, words.end());
  std::string arguments;
  for (const std::string& each : fresh.args) {
    arguments += (arguments.empty() ? " with arguments " : " ") + quoted(each);
  }
  say(" - setting {} ({}) action command to {}{} and timeout {}", name, fresh.mode, quoted(fresh.path), arguments,
      go_duration(timeout));
  action = std::move(fresh);
  return {};
}

Status PolicyEditor::actions() {
  TRY(one_action("before-folder", policy_.actions.before_folder));
  TRY(one_action("after-folder", policy_.actions.after_folder));
  TRY(one_action("before-snapshot-root", policy_.actions.before_snapshot_root));
  return one_action("after-snapshot-root", policy_.actions.after_snapshot_root);
}

Status PolicyEditor::os_snapshots() {
  const std::string& text = command_.text("enable-volume-shadow-copy");
  if (text.empty()) {
    return {};
  }
  if (text == "inherit") {
    policy_.volume_shadow_copy.reset();
    say(" - resetting \"enable volume shadow copy\" to a default value inherited from parent.");
    return {};
  }
  policy_.volume_shadow_copy = text == "never" ? 0 : text == "always" ? 1 : 2;
  say(" - setting \"enable volume shadow copy\" to {}.", text);
  return {};
}

Status PolicyEditor::logging() {
  snapshot::LoggingPolicy& p = policy_.logging;
  const struct {
    const char* flag;
    const char* what;
    Number& field;
  } rows[] = {{"log-dir-snapshotted", "directory snapshotted detail", p.dir_snapshotted},
              {"log-dir-ignored", "directory ignored detail", p.dir_ignored},
              {"log-entry-snapshotted", "entry snapshotted detail", p.entry_snapshotted},
              {"log-entry-ignored", "entry ignored detail", p.entry_ignored},
              {"log-entry-cache-hit", "entry cache hit detail", p.entry_cache_hit},
              {"log-entry-cache-miss", "entry cache miss detail", p.entry_cache_miss}};
  for (const auto& row : rows) {
    const std::string& text = command_.text(row.flag);
    const auto value = parse_int_text(text);
    if (!text.empty() && !means_inherit(text) && (!value.ok() || *value < 0 || *value > 10)) {
      return error(Code::invalid_argument, "{}: must be >= 0 and <= 10 or \"inherit\"", row.what);
    }
    TRY(number(row.flag, row.what, row.field, row.what, true));
  }
  return {};
}

Status PolicyEditor::upload() {
  snapshot::UploadPolicy& p = policy_.upload;
  TRY(number("max-parallel-file-reads", "max parallel file reads", p.max_parallel_file_reads, "max parallel file reads",
             true));
  TRY(number("max-parallel-snapshots", "max parallel snapshots", p.max_parallel_snapshots, "max parallel snapshots",
             true));
  constexpr const char* kWhat = "parallel upload above size";
  const std::string& text = command_.text("parallel-upload-above-size-mib");
  if (text.empty() || means_inherit(text)) {
    return number("parallel-upload-above-size-mib", kWhat, p.parallel_upload_above_size, kWhat, true);
  }
  TRY_ASSIGN(const std::int64_t mebibytes, parse_int_text(text, 32), "{0}: can't parse the \"{0}\" {1}", kWhat,
             quoted(text));
  p.parallel_upload_above_size = mebibytes << 20;
  say(" - setting \"{}\" to {}.", kWhat, bytes_text(*p.parallel_upload_above_size));
  return {};
}

Status PolicyEditor::inherit() {
  if (command_.given("inherit")) {
    policy_.no_parent = !command_.boolean("inherit");
    ++changes_;
  }
  return {};
}

Status PolicyEditor::apply() {
  TRY(retention(), "retention policy");
  TRY(files(), "files policy");
  TRY(error_handling(), "error handling policy");
  TRY(compression(), "compression policy");
  TRY(metadata_compression(), "metadata compression policy");
  TRY(splitter(), "splitter policy");
  TRY(scheduling(), "scheduling policy");
  TRY(actions(), "actions policy");
  TRY(os_snapshots(), "OS snapshots policy");
  TRY(logging(), "actions policy");
  TRY(upload(), "upload policy");
  return inherit();
}

}  // namespace cairn::cli
