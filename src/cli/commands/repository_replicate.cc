#include <atomic>

#include "base/time.h"
#include "base/units.h"
#include "cli/commands/copies.h"
#include "cli/format.h"
#include "cli/other_repository.h"
#include "cli/progress.h"
#include "cli/targets.h"
#include "snapshot/replicate.h"
#include "snapshot/time_filter.h"

namespace cairn::cli {
namespace {

using enum ValueType;
using snapshot::SnapshotManifest;

Result<std::optional<Timestamp>> time_flag(const ParsedCommand& command, const char* flag) {
  if (!command.given(flag)) {
    return std::optional<Timestamp>();
  }
  TRY_ASSIGN(const snapshot::ParsedTime parsed, snapshot::parse_flexible_time(command.text(flag)), "--{}", flag);
  return std::optional<Timestamp>(parsed.time);
}

Result<snapshot::ReplicateOptions> replicate_options(const ParsedCommand& command) {
  snapshot::ReplicateOptions o;
  for (const std::string& text : command.list("tags")) {
    TRY_ASSIGN(auto pair, split_pair(text, "Invalid tag format (" + text + "). Requires <key>:<value>"));
    o.tags["tag:" + pair.first] = pair.second;
  }
  TRY_ASSIGN(o.after, time_flag(command, "after"));
  TRY_ASSIGN(o.before, time_flag(command, "before"));
  o.retention = command.boolean("retention");
  o.expire = command.boolean("expire");
  o.verify = command.boolean("verify");
  o.dry_run = command.boolean("dry-run");
  const std::int64_t parallel = command.integer("parallel");
  if (parallel < 0 || parallel > 256) {
    return error(Code::invalid_argument, "--parallel must be between 0 and 256");
  }
  o.parallel = static_cast<unsigned>(parallel);
  return o;
}

Json result_json(const snapshot::ReplicateResult& r) {
  Json json = Json::object();
  json.set("copied", r.copied);
  json.set("present", r.present);
  json.set("notKept", r.not_kept);
  json.set("expired", r.expired);
  json.set("verified", r.verified);
  return json;
}

Result<std::vector<snapshot::SourceInfo>> chosen_sources(Context& context, const ParsedCommand& command,
                                                         repo::Repository& from) {
  if (command.arguments("source").empty()) {
    return snapshot::list_sources(from.manifests(), context.stop());
  }
  std::vector<snapshot::SourceInfo> sources;
  for (const std::string& text : command.arguments("source")) {
    TRY_ASSIGN(sources.emplace_back(), parse_source(from, text));
  }
  return sources;
}

Status run_replicate(Context& context, const ParsedCommand& command) {
  TRY_ASSIGN(const snapshot::ReplicateOptions options, replicate_options(command));
  TRY_ASSIGN(const auto from, context.open_repository({.read_only = true}));
  TRY_ASSIGN(const auto sources, chosen_sources(context, command, *from));
  TRY_ASSIGN(const auto to, open_other_repository(context, {.config_path = command.text("to-config"),
                                                            .role = "destination repository",
                                                            .password = command.text("to-password"),
                                                            .read_only = options.dry_run}));
  const auto about = [](const SnapshotManifest& s) { return s.source.text() + " at " + display_time(s.start_time); };
  const char* would = options.dry_run ? "would be " : "";
  snapshot::ReplicateCallbacks callbacks;
  ProgressLine progress(context);
  std::atomic<std::int64_t> files = 0, bytes = 0;
  callbacks.on_file = [&](std::int64_t size) {
    ++files;
    bytes += size;
    if (progress.due()) {
      progress.show(fmt::format("  Copied {} files ({})", files.load(), bytes_text(bytes.load())));
    }
  };
  callbacks.on_snapshot = [&](const SnapshotManifest& s) {
    progress.finish();
    context.notice("{} {}", options.dry_run ? "would copy" : "copying", about(s));
  };
  callbacks.on_error = [&](const SnapshotManifest& s, const Status& status) {
    progress.finish();
    context.warn("unable to copy {}: {}", about(s), status.message());
  };
  callbacks.on_expired = [&](const SnapshotManifest& s) {
    context.notice("{} {}", options.dry_run ? "would delete" : "deleted", about(s));
  };
  const auto replicated = snapshot::replicate(*from, *to, sources, options, callbacks, context.stop());
  progress.finish();
  TRY(replicated);
  const snapshot::ReplicateResult& result = *replicated;
  if (command.boolean("json")) {
    print_json(context, command, result_json(result));
    return {};
  }
  context.notice("{} snapshots {}copied, {} were there, {} are not kept by the destination's policy, {} {}deleted.",
                 result.copied, would, result.present, result.not_kept, result.expired, would);
  if (options.verify && !options.dry_run) {
    context.notice("{} copies verified to the last byte.", result.verified);
  }
  return {};
}

}  // namespace

void add_repository_replicate(CommandTable& table) {
  std::vector<FlagSpec> flags = {
      {.name = "to-config",
       .type = existing_file,
       .help = "Configuration file of the repository to copy into; make it with --config-file=FILE repository create",
       .required = true},
      {.name = "to-password",
       .type = text,
       .env = "CAIRN_TO_PASSWORD",
       .help = "Password of that repository, when none is stored with its configuration"},
      {.name = "tags", .type = text, .help = "Only snapshots with this tag (key:value)", .repeatable = true},
      {.name = "after", .type = text, .help = "Only snapshots that started at this date or time or later"},
      {.name = "before", .type = text, .help = "Only snapshots that started earlier than this date or time"},
      {.name = "retention",
       .default_value = "true",
       .help = "Leave out snapshots that the retention policy of the destination would not keep"},
      {.name = "expire", .help = "Afterwards delete copies that the policy of the destination no longer keeps"},
      {.name = "verify", .help = "Read back every byte of what was copied"},
      {.name = "parallel", .type = integer, .default_value = "0", .help = "Files copied at once; 0: one a processor"},
      {.name = "dry-run", .short_name = 'n', .help = "Only say what would be done; nothing is written"}};
  append_flags(flags, json_flags());
  table.add(
      {.path = "repository replicate",
       .help = "Copy snapshots into another repository with keys and a retention of its own",
       .arguments = {{.name = "source", .help = "user@host:/path or a path; none: all sources", .repeatable = true}},
       .flags = std::move(flags),
       .run = run_replicate});
}

}  // namespace cairn::cli
