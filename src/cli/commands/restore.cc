#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <optional>
#include <thread>

#include "base/units.h"
#include "cli/commands/commands.h"
#include "cli/context.h"
#include "cli/progress.h"
#include "snapshot/resolve.h"
#include "snapshot/restore.h"
#include "snapshot/restore_archive.h"
#include "snapshot/restore_local.h"
#include "sys/file.h"

namespace cairn::cli {
namespace {

using enum ValueType;

std::string working_directory() {
  std::error_code ignored;
  return std::filesystem::current_path(ignored).string();
}

// What the arguments ask for: one source, or placeholders to be made full in place.
struct Job {
  std::string source;
  bool placeholder = false;
  std::string target;  // absolute
};

std::optional<snapshot::ArchiveFormat> archive_format(const std::string& mode, const std::string& target) {
  using enum snapshot::ArchiveFormat;
  if (mode == "tar" || (mode == "auto" && target.ends_with(".tar"))) {
    return tar;
  }
  if (mode == "tgz" || (mode == "auto" && (target.ends_with(".tar.gz") || target.ends_with(".tgz")))) {
    return tgz;
  }
  if (mode == "zip" || (mode == "auto" && target.ends_with(".zip"))) {
    return zip;
  }
  return mode == "zip-nocompress" ? std::optional(zip_nocompress) : std::nullopt;
}

std::string_view archive_words(snapshot::ArchiveFormat format) {
  switch (format) {
    case snapshot::ArchiveFormat::tar:
      return "an uncompressed tar file";
    case snapshot::ArchiveFormat::tgz:
      return "a tar+gzip file";
    default:
      return "a zip file";
  }
}

Result<std::vector<Job>> jobs_of(const ParsedCommand& command) {
  const std::vector<std::string>& words = command.arguments("sources");
  const auto is_placeholder = [](const std::string& w) { return w.ends_with(snapshot::kPlaceholderSuffix); };
  std::vector<Job> jobs;
  if (std::ranges::all_of(words, is_placeholder)) {
    for (const std::string& w : words) {
      TRY_ASSIGN(std::string path, sys::absolute_path(w));
      jobs.push_back({path, true, path.substr(0, path.size() - snapshot::kPlaceholderSuffix.size())});
    }
    return jobs;
  }
  // A single path is restored where it was; the path of somebody else need not be that of a place here.
  const auto p1 = words.front().find('@'), p2 = words.front().find(':');
  const bool of_somebody = p1 != std::string::npos && p2 != std::string::npos && p1 < p2;
  if (words.size() > 2 || (words.size() == 1 && of_somebody)) {
    return Status(Code::invalid_argument,
                  "unable to initialize output: restore requires a source and targetpath or placeholders");
  }
  TRY_ASSIGN(std::string target, sys::absolute_path(words.back()));
  jobs.push_back({words.front(), false, std::move(target)});
  return jobs;
}

// Sixteen requests of full length at least, and what is decoded of each.
constexpr std::size_t kRemoteBytesInFlight = std::size_t{40} << 20;

class Restorer {
 public:
  Restorer(Context& context, const ParsedCommand& command, repo::Repository& repository)
      : context_(context),
        command_(command),
        repository_(repository),
        as_kopia_(context.program().starts_with("kopia")) {}

  std::int64_t parallelism() const;
  void announce(const Job& job);
  Status run(const Job& job);

 private:
  Result<snapshot::DirEntry> source_of(const Job& job);
  snapshot::LocalOutputOptions local_options() const;
  snapshot::RestoreOptions restore_options(const Job& job) const;
  Result<std::unique_ptr<snapshot::RestoreOutput>> archive(snapshot::ArchiveFormat format, const Job& job,
                                                           const snapshot::DirEntry& root);
  Status restore(const snapshot::DirEntry& root, snapshot::RestoreOutput& output, const Job& job);
  Status report_attributes(const snapshot::LocalOutput& output);
  std::string progress_text(const snapshot::RestoreProgress& p, std::int64_t started_ns) const;
  std::string summary_text(const snapshot::RestoreProgress& p) const;
  // Attributes that cannot be set fail the restore, unless the user said otherwise.
  bool strict() const { return !as_kopia_ && !command_.on_command_line("ignore-permission-errors"); }

  Context& context_;
  const ParsedCommand& command_;
  repo::Repository& repository_;
  const bool as_kopia_;
};

std::int64_t Restorer::parallelism() const {
  const content::ReadStyle style = content::read_style(repository_.storage());
  return !command_.given("parallel") && style.together ? style.requests : command_.integer("parallel");
}

void Restorer::announce(const Job& job) {
  if (command_.text("mode") != "auto") {
    return;
  }
  if (const auto format = archive_format("auto", job.target); format && !job.placeholder) {
    context_.notice("Restoring to {} ({})...", archive_words(*format), job.target);
  } else {
    context_.notice("Restoring to local filesystem ({}) with parallelism={}...", job.target, parallelism());
  }
}

Result<snapshot::DirEntry> Restorer::source_of(const Job& job) {
  if (job.placeholder) {
    auto entry = snapshot::read_placeholder(job.source);
    if (!entry.ok()) {
      return std::move(entry).status().with_frame(
          fmt::format("placeholder can't be reified: unable to get filesystem entry for placeholder \"{}\": unable to "
                      "get direntry from placeholder",
                      job.source));
    }
    return std::move(*entry);
  }
  snapshot::ResolveOptions options;
  options.consistent_attributes = command_.boolean("consistent-attributes");
  options.generic_nested_attributes = as_kopia_;
  if (snapshot::looks_like_id(job.source)) {
    TRY_ASSIGN(auto found, snapshot::resolve_id(repository_, job.source, options, context_.stop()),
               "unable to get filesystem entry");
    return std::move(found.entry);
  }
  TRY_ASSIGN(const auto filter,
             snapshot::SnapshotTimeFilter::parse(command_.text("snapshot-time"), context_.open_options().clock->now()));
  TRY_ASSIGN(auto found,
             snapshot::resolve_path(repository_, job.source, working_directory(), filter, options, context_.stop()));
  context_.notice(
      "Restoring from\n   Snapshot source: {}\n   Snapshot time: {}\n   Relative path: {}\n   Object ID: {}",
      found.source.text(), display_time(found.snapshot_time), found.relative_path, found.entry.obj.text());
  return std::move(found.entry);
}

snapshot::LocalOutputOptions Restorer::local_options() const {
  snapshot::LocalOutputOptions o;
  o.overwrite_directories = command_.boolean("overwrite-directories");
  o.overwrite_files = command_.boolean("overwrite-files");
  o.overwrite_symlinks = command_.boolean("overwrite-symlinks");
  o.write_sparse_files = command_.boolean("write-sparse-files");
  o.write_files_atomically = command_.boolean("write-files-atomically");
  o.skip_owners = command_.boolean("skip-owners");
  o.skip_permissions = command_.boolean("skip-permissions");
  o.skip_times = command_.boolean("skip-times");
  o.flush_files = command_.boolean("flush-files");
  o.ignore_permission_errors = command_.boolean("ignore-permission-errors");
  o.collect_attribute_problems = strict();
  return o;
}

snapshot::RestoreOptions Restorer::restore_options(const Job& job) const {
  snapshot::RestoreOptions o;
  o.parallel = static_cast<unsigned>(std::clamp<std::int64_t>(parallelism(), 0, 256));
  if (const content::ReadStyle style = content::read_style(repository_.storage()); style.together) {
    o.together = true;
    o.limits = style.limits;
    o.bytes_in_flight_max = kRemoteBytesInFlight;
  }
  o.skip_existing = command_.boolean("skip-existing");
  o.delete_extra = command_.boolean("delete-extra");
  o.ignore_errors = command_.boolean("ignore-errors");
  if (command_.given("shallow")) {
    o.shallow_depth = command_.integer("shallow");
  } else if (job.placeholder) {
    o.shallow_depth = 0;
  }
  o.shallow_min_size = command_.integer("shallow-minsize");
  return o;
}

Result<std::unique_ptr<snapshot::RestoreOutput>> Restorer::archive(snapshot::ArchiveFormat format, const Job& job,
                                                                   const snapshot::DirEntry& root) {
  // An archive that is there already is replaced only by a restore that can begin.
  TRY(snapshot::check_restorable(repository_.objects(), root, context_.stop()), "error restoring: restore error");
  TRY_ASSIGN(auto sink, snapshot::open_archive_file(job.target), "unable to initialize output");
  const std::string name = root.name.empty() ? root.obj.text() : root.name;
  return snapshot::make_archive_output(format, std::move(sink), as_kopia_, name);
}

std::string Restorer::progress_text(const snapshot::RestoreProgress& p, std::int64_t started_ns) const {
  const std::int64_t done = p.restored_files + p.restored_dirs + p.restored_symlinks + p.skipped_count;
  const std::int64_t total = p.enqueued_files + p.enqueued_dirs + p.enqueued_symlinks;
  std::string text = fmt::format("Processed {} ({}) of {} ({})", done, bytes_text(p.written_bytes), total,
                                 bytes_text(p.enqueued_bytes));
  if (p.skipped_count != 0) {
    text += fmt::format(", skipped {} ({})", p.skipped_count.load(), bytes_text(p.skipped_bytes));
  }
  if (p.ignored_errors != 0) {
    text += fmt::format(", ignored {} errors", p.ignored_errors.load());
  }
  const double spent = static_cast<double>(monotonic_ns() - started_ns) / 1e9;
  const auto bytes = static_cast<double>(p.written_bytes + p.skipped_bytes);
  const auto all = static_cast<double>(p.enqueued_bytes);
  if (spent >= 1 && bytes > 0 && all > 0) {
    const double rate = bytes / spent;
    const double left = std::max(0.0, (all - bytes) / rate);
    text += fmt::format(" {} ({:.1f}%) remaining {}", speed_text(rate), std::min(100.0, 100 * bytes / all),
                        go_duration(seconds(static_cast<std::int64_t>(left))));
  }
  return text + ".";
}

std::string Restorer::summary_text(const snapshot::RestoreProgress& p) const {
  std::string text =
      fmt::format("Restored {} files, {} directories and {} symbolic links ({})", p.restored_files.load(),
                  p.restored_dirs.load(), p.restored_symlinks.load(), bytes_text(p.restored_bytes));
  if (p.skipped_count != 0) {
    text += fmt::format(", skipped {} ({})", p.skipped_count.load(), bytes_text(p.skipped_bytes));
  }
  const std::pair<const char*, std::int64_t> deleted[] = {
      {"directories", p.deleted_dirs}, {"files", p.deleted_files}, {"symbolic links", p.deleted_symlinks}};
  for (const auto& [what, count] : deleted) {
    if (count != 0) {
      text += fmt::format(", deleted {} {}", what, count);
    }
  }
  if (p.ignored_errors != 0) {
    text += fmt::format(", ignored {} errors", p.ignored_errors.load());
  }
  return text + ".\n";
}

Status Restorer::restore(const snapshot::DirEntry& root, snapshot::RestoreOutput& output, const Job& job) {
  snapshot::RestoreProgress progress;
  snapshot::RestoreCallbacks callbacks;
  callbacks.on_ignored_error = [&](const std::string& path, const Status& s) {
    context_.warn("ignored error {} on {}", s.message(), path);
  };
  const std::int64_t started_ns = monotonic_ns();
  ProgressLine line(context_);
  std::jthread ticker;
  if (line.enabled()) {
    ticker = std::jthread([&](std::stop_token stop) {
      std::mutex mutex;
      std::condition_variable_any changed;
      std::unique_lock lock(mutex);
      const auto interval = std::chrono::nanoseconds(context_.progress_interval().ns);
      while (!stop.stop_requested()) {
        line.show(progress_text(progress, started_ns));
        changed.wait_for(lock, stop, interval, [] { return false; });
      }
    });
  }
  Status s = snapshot::restore_tree(repository_.objects(), root, output, restore_options(job), progress, callbacks,
                                    context_.stop());
  if (ticker.joinable()) {
    ticker.request_stop();
    ticker.join();
    line.show(progress_text(progress, started_ns));
    line.finish();
  }
  TRY(s, "error restoring");
  context_.notice("{}", summary_text(progress));
  return {};
}

Status Restorer::report_attributes(const snapshot::LocalOutput& output) {
  const snapshot::AttributeProblems problems = output.attribute_problems();
  for (const std::string& text : problems.texts) {
    context_.warn("{}", text);
  }
  const auto unlisted = problems.count - static_cast<std::int64_t>(problems.texts.size());
  if (unlisted > 0) {
    context_.warn("and {} more", unlisted);
  }
  if (problems.count != 0) {
    return error(Code::permission_denied,
                 "all data was restored, but {} attributes could not be set (--ignore-permission-errors accepts that)",
                 problems.count);
  }
  return {};
}

Status Restorer::run(const Job& job) {
  TRY_ASSIGN(const snapshot::DirEntry root, source_of(job));
  const auto format = job.placeholder ? std::nullopt : archive_format(command_.text("mode"), job.target);
  if (format) {
    TRY_ASSIGN(const auto output, archive(*format, job, root));
    return restore(root, *output, job);
  }
  const auto output = snapshot::LocalOutput::create(job.target, local_options());
  TRY(restore(root, *output, job));
  return report_attributes(*output);
}

Status run_restore(Context& context, const ParsedCommand& command) {
  TRY_ASSIGN(const auto repository, context.open_repository({.read_only = true}));
  TRY_ASSIGN(const std::vector<Job> jobs, jobs_of(command));
  Restorer restorer(context, command, *repository);
  restorer.announce(jobs.front());
  for (const Job& job : jobs) {
    TRY(restorer.run(job));
  }
  return {};
}

std::vector<FlagSpec> restore_flags() {
  return {
      {.name = "overwrite-directories", .default_value = "true", .help = "Overwrite existing directories"},
      {.name = "overwrite-files", .default_value = "true", .help = "Overwrite existing files"},
      {.name = "overwrite-symlinks", .default_value = "true", .help = "Overwrite existing symbolic links"},
      {.name = "write-sparse-files", .help = "Leave holes for blocks of zeros"},
      {.name = "consistent-attributes",
       .env = "KOPIA_RESTORE_CONSISTENT_ATTRIBUTES",
       .help = "Fail when several snapshots with other attributes match"},
      {.name = "mode",
       .type = choice,
       .default_value = "auto",
       .help = "What to make",
       .choices = {"auto", "local", "zip", "zip-nocompress", "tar", "tgz"}},
      {.name = "parallel", .type = integer, .default_value = "8", .help = "Files restored at once"},
      {.name = "skip-owners", .help = "Do not restore owners"},
      {.name = "skip-permissions", .help = "Do not restore permissions"},
      {.name = "skip-times", .help = "Do not restore times"},
      {.name = "ignore-permission-errors", .default_value = "true", .help = "Ignore errors of restoring permissions"},
      {.name = "write-files-atomically", .help = "Give files their name when they are complete"},
      {.name = "ignore-errors", .help = "Go on after errors"},
      {.name = "skip-existing", .help = "Skip files that exist already"},
      {.name = "delete-extra", .help = "Delete what is not in the snapshot"},
      {.name = "shallow", .type = int32, .help = "Restore placeholders below this depth", .placeholder = "DEPTH"},
      {.name = "shallow-minsize",
       .type = int32,
       .default_value = "0",
       .help = "No placeholders for files below this size"},
      {.name = "flush-files", .help = "Write files through to the disk"},
      {.name = "snapshot-time",
       .type = text,
       .default_value = "latest",
       .help = "Which snapshot, when a path is given"},
  };
}

}  // namespace

void add_restore(CommandTable& table) {
  for (const char* path : {"restore", "snapshot restore"}) {
    table.add({.path = path,
               .help = "Restore a directory or a file",
               .arguments = {{.name = "sources",
                              .help = "Source and target, or placeholder files",
                              .required = true,
                              .repeatable = true}},
               .flags = restore_flags(),
               .run = run_restore});
  }
}

}  // namespace cairn::cli
