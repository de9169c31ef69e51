#include <unistd.h>

#include <algorithm>
#include <functional>
#include <thread>

#include "cli/auto_maintenance.h"
#include "cli/commands/commands.h"
#include "cli/context.h"
#include "cli/format.h"
#include "cli/request_counts.h"
#include "cli/snapshot_report.h"
#include "cli/upload_view.h"
#include "cli/values.h"
#include "content/pack_ranges.h"
#include "snapshot/create.h"
#include "snapshot/time_filter.h"
#include "sys/file.h"

namespace cairn::cli {
namespace {

using enum ValueType;

// What all sources of one call have in common.
struct CreateCall {
  snapshot::CreateRequest request;
  std::string stdin_name, override_source;
  bool json = false, with_stats = false;
};

Result<std::optional<Timestamp>> time_flag(const ParsedCommand& command, const std::string& name) {
  const std::string& value = command.text(name);
  if (value.empty()) {
    return std::optional<Timestamp>();
  }
  TRY_ASSIGN(const Timestamp t, snapshot::parse_display_time(value), "could not parse {}", name);
  return std::optional<Timestamp>(t);
}

Result<std::map<std::string, std::string>> tags_flag(const ParsedCommand& command) {
  std::map<std::string, std::string> tags;
  for (const std::string& tag : command.list("tags")) {
    const std::size_t colon = tag.find(':');
    if (colon == std::string::npos) {
      return error(Code::invalid_argument, "Invalid tag format ({}). Requires <key>:<value>", tag);
    }
    const std::string key = tag.substr(0, colon);
    if (!tags.emplace("tag:" + key, tag.substr(colon + 1)).second) {
      return error(Code::invalid_argument, "Duplicate tag <key> found. ({})", key);
    }
  }
  return tags;
}

bool actions_enabled(const repo::Repository& repository, const ParsedCommand& command) {
  if (command.boolean("force-disable-actions")) {
    return false;
  }
  return command.boolean("force-enable-actions") || repository.client().enable_actions;
}

snapshot::UploadOptions upload_options(const repo::Repository& repository, const ParsedCommand& command) {
  snapshot::UploadOptions o;
  o.parallel = static_cast<unsigned>(std::clamp<std::int64_t>(command.integer("parallel"), 0, 1024));
  o.checkpoint_interval = command.duration("checkpoint-interval", snapshot::kCheckpointIntervalMax);
  o.upload_limit_bytes = command.integer("upload-limit-mb") << 20;
  o.fail_fast = command.boolean("fail-fast");
  o.force_hash_percent = command.real("force-hash");
  o.enable_actions = actions_enabled(repository, command);
  if (const std::int64_t detail = command.integer("log-dir-detail", -1); detail >= 0) {
    o.log_dir_detail = detail;
  }
  if (const std::int64_t detail = command.integer("log-entry-detail", -1); detail >= 0) {
    o.log_entry_detail = detail;
  }
  return o;
}

Result<CreateCall> parse_call(const repo::Repository& repository, const ParsedCommand& command) {
  CreateCall call;
  snapshot::CreateRequest& r = call.request;
  if (command.boolean("all") && !command.arguments("source").empty()) {
    return error(Code::invalid_argument, "cannot use --all when a source path argument is specified");
  }
  r.description = command.text("description");
  if (r.description.size() > snapshot::kDescriptionMax) {
    return error(Code::invalid_argument, "description too long");
  }
  TRY_ASSIGN(r.start_time, time_flag(command, "start-time"));
  TRY_ASSIGN(r.end_time, time_flag(command, "end-time"));
  if (r.start_time && r.end_time && *r.start_time > *r.end_time) {
    return error(Code::invalid_argument, "start time override cannot be after the end time override");
  }
  TRY_ASSIGN(r.tags, tags_flag(command));
  r.pins = command.list("pin");
  r.upload = upload_options(repository, command);
  call.stdin_name = command.text("stdin-file");
  call.override_source = command.text("override-source");
  call.json = command.boolean("json");
  call.with_stats = command.boolean("json-verbose");
  return call;
}

// VolSync's mover may ask for a limit here; Kopia itself does not know the flag.
Status apply_upload_speed(repo::Repository& repository, const std::string& text) {
  if (text.empty()) {
    return {};
  }
  constexpr double kBytesPerMegabit = 125'000;  // the unit of `snapshot estimate --upload-speed`
  TRY_ASSIGN(const double megabits_per_second, parse_float_text(text), "invalid upload speed");
  blob::ThrottleLimits limits = repository.throttle().limits();
  limits.upload_bytes_per_second = std::max(0.0, megabits_per_second * kBytesPerMegabit);
  repository.throttle().set_limits(limits);
  return {};
}

Status apply_override(const repo::Repository& repository, const std::string& text, snapshot::SourceInfo& info) {
  TRY_ASSIGN(const std::string directory, sys::absolute_path("."));
  auto parsed =
      snapshot::SourceInfo::parse(text, repository.client().hostname, repository.client().username, directory);
  if (parsed.ok() && !parsed->host.empty() && !parsed->user_name.empty() && !parsed->path.empty()) {
    info = std::move(*parsed);
    return {};
  }
  info = {};
  const std::string frame = "invalid source override " + text;
  return parsed.ok()
             ? error(Code::invalid_argument, "{}: source does not resolve into host, user and path: '{}'", frame, text)
             : std::move(parsed).status().with_frame(frame);
}

// Fills in source and path, as far as they can be told.
Status prepare_source(Context& context, const repo::Repository& repository, const CreateCall& call,
                      const std::string& argument, snapshot::CreateRequest& request) {
  snapshot::UploadSource& source = request.source;
  TRY_ASSIGN(source.path, sys::absolute_path(argument));
  source.info = {repository.client().hostname, repository.client().username, source.path};
  request.set_manual = !call.stdin_name.empty() || !call.override_source.empty();
  if (!call.stdin_name.empty()) {
    source.stream_name = call.stdin_name;
    source.stream_fd = STDIN_FILENO;
  } else {
    auto resolved = snapshot::resolve_source_path(source.path);
    if (!resolved.ok()) {
      return std::move(resolved).status().with_frame("unable to get local filesystem entry");
    }
    if (resolved->resolved) {
      context.notice("{} resolved to {}", source.path, resolved->path);
    }
    source.path = std::move(resolved->path);
  }
  return call.override_source.empty() ? Status() : apply_override(repository, call.override_source, source.info);
}

void report_created(Context& context, const ParsedCommand& command, repo::Repository& repository,
                    const CreateCall& call, const snapshot::CreateResult& result, Duration taken) {
  const snapshot::SnapshotManifest& m = result.manifest;
  if (!result.saved) {
    context.notice("\n Not saving snapshot because no files have been changed since previous snapshot");
    return;
  }
  if (call.json) {
    Json json = m.to_json(call.with_stats);
    if (!context.program().starts_with("kopia") && content::read_style(repository.storage()).together) {
      json.set("storageRequests", request_counts_json(repository));
    }
    print_json(context, command, json, true);
  } else {
    context.notice("Created{} snapshot with root {} and ID {} in {}", m.incomplete.empty() ? "" : " partial",
                   m.root->obj.text(), m.id, go_duration(seconds(taken.ns / 1'000'000'000)));
  }
  if (m.incomplete == "canceled" && context.stop().stop_requested()) {
    context.notice("Interrupted. What has been stored is kept: the same command will go on from there.");
  }
}

void create_one(Context& context, const ParsedCommand& command, repo::Repository& repository, const CreateCall& call,
                const std::string& argument, SnapshotReport& report, std::function<void()> before_save,
                std::vector<Status>& errors) {
  snapshot::CreateRequest request = call.request;
  request.before_save = std::move(before_save);
  const Status prepared = prepare_source(context, repository, call, argument, request);
  const std::string source = request.source.info.text();
  context.notice("Snapshotting {} ...", source);
  if (!prepared.ok()) {
    report.add_failed(source, prepared.message());
    errors.push_back(prepared.with_frame("failed to prepare source"));
    errors.push_back(error(Code::invalid_argument, "upload error: unsupported source: {}", source));
    return;
  }
  UploadView view(context);
  request.upload.progress = &view;
  request.upload.estimate = view.shown();
  const std::int64_t start_ns = monotonic_ns();
  auto result = snapshot::create_snapshot(repository, request, context.stop());
  view.finish();
  if (!result.ok()) {
    report.add_failed(source, result.status().message());
    errors.push_back(std::move(result).status());
    return;
  }
  report.add(result->manifest, result->saved);
  report_created(context, command, repository, call, *result, {monotonic_ns() - start_ns});
  const snapshot::Stats& stats = result->manifest.stats;
  if (stats.ignored_error_count > 0) {
    context.warn("Ignored {} error(s) while snapshotting {}.", stats.ignored_error_count, source);
  }
  if (stats.error_count > 0) {
    errors.push_back(
        error(Code::failed_precondition, "Found {} fatal error(s) while snapshotting {}.", stats.error_count, source));
  }
}

Status combine(std::vector<Status> errors) {
  if (errors.empty()) {
    return {};
  }
  if (errors.size() == 1) {
    return std::move(errors.front());
  }
  std::string text = fmt::format("encountered {} errors:", errors.size());
  for (const Status& e : errors) {
    text += '\n' + e.message();
  }
  return Status(errors.front().code(), std::move(text));
}

Status run_snapshot_create(Context& context, const ParsedCommand& command) {
  TRY_ASSIGN(const auto repository, context.open_repository());
  TRY_ASSIGN(const CreateCall call, parse_call(*repository, command));
  TRY(apply_upload_speed(*repository, command.text("upload-speed")));
  std::vector<std::string> sources = command.arguments("source");
  if (command.boolean("all")) {
    TRY_ASSIGN(const auto automatic, snapshot::automatic_sources(*repository, context.stop()));
    for (const snapshot::SourceInfo& source : automatic) {
      sources.push_back(source.path);
    }
  }
  if (sources.empty()) {
    return error(Code::invalid_argument, "no snapshot sources");
  }
  SnapshotReport report;
  std::vector<Status> errors;
  MaintenanceOutlook outlook(context, *repository);
  // Where every request takes its time, the log is stored beside the last snapshot's own last requests, unless
  // maintenance is going to add to it.
  std::jthread log_keeper;
  const auto last_save = [&] {
    log_keeper = std::jthread([&] {
      if (outlook.nothing_due(repository->clock().now())) {
        context.close_repository_log();
      }
    });
  };
  for (const std::string& source : sources) {
    if (context.stop().stop_requested()) {
      break;
    }
    const bool last = &source == &sources.back();
    create_one(context, command, *repository, call, source, report, last ? last_save : std::function<void()>(), errors);
  }
  if (command.boolean("send-snapshot-report")) {
    report.send(context, *repository);
  }
  log_keeper = {};
  TRY(combine(std::move(errors)));
  if (!outlook.nothing_due(repository->clock().now())) {
    run_due_maintenance(context, *repository);
  }
  return {};
}

}  // namespace

void add_snapshot_create(CommandTable& table) {
  std::vector<FlagSpec> flags = {
      {.name = "all", .help = "All sources of this user and host that are not manual"},
      {.name = "upload-limit-mb", .type = int64, .default_value = "0", .help = "Stop after this much, in MB"},
      {.name = "checkpoint-interval", .type = duration, .help = "Time between two checkpoints", .hidden = true},
      {.name = "description", .type = text, .help = "Description of the snapshot"},
      {.name = "fail-fast", .env = "KOPIA_SNAPSHOT_FAIL_FAST", .help = "Stop at the first error"},
      {.name = "force-hash",
       .type = real,
       .default_value = "0",
       .help = "Read this part of unchanged files again, in percent"},
      {.name = "parallel", .type = integer, .default_value = "0", .help = "Files read at once"},
      {.name = "start-time", .type = text, .help = "Start time of the snapshot"},
      {.name = "end-time", .type = text, .help = "End time of the snapshot"},
      {.name = "force-enable-actions", .help = "Run actions although they are disabled", .hidden = true},
      {.name = "force-disable-actions", .help = "Do not run actions although they are enabled", .hidden = true},
      {.name = "stdin-file", .type = text, .help = "Make a snapshot of standard input, as a file of this name"},
      {.name = "tags", .type = text, .help = "Tag of the snapshot, as key:value", .repeatable = true},
      {.name = "pin", .type = text, .help = "Pin of the snapshot", .repeatable = true},
      {.name = "flush-per-source", .help = "Commit after each source", .hidden = true},
      {.name = "override-source", .type = text, .help = "Source to record instead of the real one"},
      {.name = "send-snapshot-report", .default_value = "true", .help = "Notify about the snapshot"},
      {.name = "log-dir-detail", .type = integer, .default_value = "-1", .help = "Detail of log lines on directories"},
      {.name = "log-entry-detail", .type = integer, .default_value = "-1", .help = "Detail of log lines on entries"},
      {.name = "upload-speed", .type = text, .help = "Limit of the upload speed, in Mbit/s", .hidden = true},
  };
  append_flags(flags, json_flags());
  table.add({.path = "snapshot create",
             .help = "Make snapshots of directories or files",
             .arguments = {{.name = "source", .help = "Directories or files", .repeatable = true}},
             .flags = std::move(flags),
             .run = run_snapshot_create});
}

}  // namespace cairn::cli
