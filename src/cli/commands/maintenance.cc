#include <algorithm>

#include "base/units.h"
#include "cli/auto_maintenance.h"
#include "cli/commands/commands.h"
#include "cli/format.h"
#include "cli/targets.h"
#include "cli/values.h"
#include "maintenance/ownership.h"
#include "maintenance/run.h"
#include "sys/mapped.h"

namespace cairn::cli {
namespace {

using maintenance::Parameters;
using maintenance::Run;
using maintenance::Schedule;

std::string counted(const Json& data, const std::string& count, const std::string& size) {
  return fmt::format("{} ({})", data[count].as_int(), bytes_text(data[size].as_int()));
}

// What a task reported, in words; the kinds of kopia-model §11.2.
struct Kind {
  std::string_view kind;
  std::string (*text)(const Json& data);
};
constexpr Kind kKinds[] = {
    {"snapshotGCStats",
     [](const Json& d) {
       return fmt::format(
           "Found {} unreferenced contents and marked {} for deletion, {} too recent, {} in use, {} undeleted",
           counted(d, "unreferencedContentCount", "unreferencedContentSize"),
           counted(d, "deletedContentCount", "deletedContentSize"),
           counted(d, "unreferencedRecentContentCount", "unreferencedRecentContentSize"),
           counted(d, "inUseContentCount", "inUseContentSize"),
           counted(d, "recoveredContentCount", "recoveredContentSize"));
     }},
    {"rewriteContentsStats",
     [](const Json& d) {
       return fmt::format("Found {} contents to rewrite, rewrote {}, kept {}",
                          counted(d, "toRewriteContentCount", "toRewriteContentSize"),
                          counted(d, "rewrittenContentCount", "rewrittenContentSize"),
                          counted(d, "retainedContentCount", "retainedContentSize"));
     }},
    {"compactIndexesStats",
     [](const Json& d) {
       return fmt::format("Dropped contents deleted before {}", d["droppedContentsDeletedBefore"].as_string());
     }},
    {"deleteUnreferencedPacksStats",
     [](const Json& d) {
       return fmt::format("Found {} unreferenced packs, deleted {}, kept {}",
                          counted(d, "unreferencedPackCount", "unreferencedTotalSize"),
                          counted(d, "deletedPackCount", "deletedTotalSize"),
                          counted(d, "retainedPackCount", "retainedTotalSize"));
     }},
    {"extendBlobRetentionStats",
     [](const Json& d) {
       return fmt::format("Extended the retention of {} of {} blobs", d["extendedBlobCount"].as_int(),
                          d["toExtendBlobCount"].as_int());
     }},
    {"cleanupLogsStats",
     [](const Json& d) {
       return fmt::format("Deleted {} logs, kept {}", counted(d, "deletedBlobCount", "deletedBlobSize"),
                          counted(d, "retainedBlobCount", "retainedBlobSize"));
     }},
    {"advanceEpochStats",
     [](const Json& d) {
       return fmt::format("{} epoch {}", d["wasAdvanced"].as_bool() ? "Advanced to" : "Stayed in",
                          d["currentEpoch"].as_int());
     }},
    {"compactSingleEpochStats",
     [](const Json& d) {
       return d.is_null() ? std::string("No epoch to compact")
                          : fmt::format("Compacted {} index blobs of epoch {}",
                                        counted(d, "supersededIndexBlobCount", "supersededIndexTotalSize"),
                                        d["epoch"].as_int());
     }},
    {"generateRangeCheckpointStats",
     [](const Json& d) {
       return d.is_null()
                  ? std::string("No range to compact")
                  : fmt::format("Compacted epochs {} to {}", d["rangeMinEpoch"].as_int(), d["rangeMaxEpoch"].as_int());
     }},
    {"cleanupMarkersStats",
     [](const Json& d) {
       return fmt::format("Deleted {} epoch markers and {} deletion watermarks",
                          d["deletedEpochMarkerBlobCount"].as_int(), d["deletedWatermarkBlobCount"].as_int());
     }},
    {"cleanupSupersededIndexesStats",
     [](const Json& d) {
       return d.is_null() ? std::string("No superseded index blobs")
                          : fmt::format("Deleted {} superseded index blobs",
                                        counted(d, "deletedBlobCount", "deletedTotalSize"));
     }},
};

std::string outcome(const Run& run) {
  if (!run.success) {
    return "ERROR: " + run.error;
  }
  std::string text = "SUCCESS";
  for (const Json& extra : run.extra.items()) {
    const auto kind = std::ranges::find(kKinds, extra["kind"].as_string(), &Kind::kind);
    text += (text == "SUCCESS" ? ": " : "; ") +
            (kind != std::end(kKinds) ? kind->text(extra["data"]) : extra["kind"].as_string());
  }
  return text;
}

void print_cycle(Context& context, const char* name, const maintenance::Cycle& cycle, Timestamp next, Timestamp now) {
  context.print("{} Cycle:\n  scheduled: {}\n", name, cycle.enabled);
  if (!cycle.enabled) {
    return;
  }
  const std::string when = next <= now ? "now"
                                       : fmt::format("{} (in {})", display_time(next),
                                                     go_duration(seconds((next - now).ns / 1'000'000'000)));
  context.print("  interval: {}\n  next run: {}\n", go_duration(cycle.interval), when);
}

Status run_info(Context& context, const ParsedCommand& command) {
  TRY_ASSIGN(const auto repository, context.open_repository());
  TRY_ASSIGN(const Parameters p, maintenance::load_parameters(repository->manifests(), context.stop()));
  TRY_ASSIGN(const Schedule s, maintenance::load_schedule(repository->storage(), repository->format(), context.stop()));
  const Timestamp now = repository->clock().now();
  const std::vector<std::string> concerns = maintenance::owner_concerns(p, s, now);
  if (command.boolean("json")) {
    Json out = p.to_json();
    out.set("schedule", s.to_json());
    if (!concerns.empty()) {
      Json list = Json::array();
      for (const std::string& c : concerns) {
        list.items_mut().push_back(c);
      }
      out.set("ownerConcerns", std::move(list));
    }
    print_json(context, command, out, true);
    return {};
  }
  for (const std::string& concern : concerns) {
    context.warn("maintenance: {}", concern);
  }
  context.print("Owner: {}\n", p.owner);
  print_cycle(context, "Quick", p.quick, s.next_quick, now);
  print_cycle(context, "Full", p.full, s.next_full, now);
  context.print("Log Retention:\n  max count:       {}\n  max age of logs: {}\n  max total size:  {}\n",
                p.log_retention.max_count, go_duration(p.log_retention.max_age),
                bytes_text(p.log_retention.max_total_bytes));
  context.print("Object Lock Extension: {}\n", p.extend_object_locks ? "enabled" : "disabled");
  if (p.list_parallelism != 0) {
    context.print("List parallelism: {}\n", p.list_parallelism);
  }
  context.print("Recent Maintenance Runs:\n");
  for (const auto& [task, runs] : s.runs) {
    context.print("  {}:\n", task);
    for (const Run& run : runs) {
      const Duration taken = seconds((run.end - run.start).ns / 1'000'000'000);
      context.print("    {} ({}) {}\n", display_time(run.start), go_duration(taken), outcome(run));
    }
  }
  return {};
}

Status run_run(Context& context, const ParsedCommand& command) {
  maintenance::RunOptions options;
  const std::int64_t memory = command.integer("max-memory");
  if (memory < static_cast<std::int64_t>(maintenance::MemoryBudget::kMin)) {
    return error(Code::invalid_argument, "--max-memory must be at least {}",
                 bytes_text(static_cast<std::int64_t>(maintenance::MemoryBudget::kMin)));
  }
  options.memory.total = static_cast<std::size_t>(memory);
  options.self_check_percent = self_check_percent(context);
  sys::keep_resident_below(options.memory.resident());
  TRY_ASSIGN(const auto repository, context.open_repository());
  options.mode = command.boolean("full") ? maintenance::Mode::full : maintenance::Mode::quick;
  options.safety = command.text("safety") == "none" ? maintenance::Safety::none() : maintenance::Safety::full();
  options.force = command.boolean("force");
  TRY_ASSIGN(const auto result,
             maintenance::run_maintenance(*repository, options, maintenance_report(context), context.stop()));
  for (const std::string& problem : result.problems) {
    context.warn("maintenance: {}", problem);
  }
  return {};
}

// Applies the flags; what they change is said. True when there was one.
Result<bool> change_parameters(Context& context, const ParsedCommand& command, repo::Repository& repository,
                               Parameters& p) {
  bool changed = false;
  if (const std::string& owner = command.text("owner"); !owner.empty()) {
    p.change_owner(owner == "me" ? maintenance::client_identity(repository) : owner, repository.clock().now());
    context.notice("Setting maintenance owner to {}", p.owner);
    changed = true;
  }
  const auto enable = [&](const char* flag, maintenance::Cycle& cycle, const char* name) -> Status {
    if (!command.given(flag)) {
      return {};
    }
    TRY_ASSIGN(cycle.enabled, parse_bool_text(command.text(flag)));
    context.notice("Periodic {} maintenance {}.", name, cycle.enabled ? "enabled" : "disabled");
    changed = true;
    return {};
  };
  TRY(enable("enable-quick", p.quick, "quick"));
  TRY(enable("enable-full", p.full, "full"));
  const auto interval = [&](const char* flag, maintenance::Cycle& cycle, const char* name) {
    if (command.given(flag)) {
      cycle.interval = command.duration(flag);
      context.notice("Interval for {} maintenance set to {}.", name, go_duration(cycle.interval));
      changed = true;
    }
  };
  interval("quick-interval", p.quick, "quick");
  interval("full-interval", p.full, "full");
  if (command.given("max-retained-log-count")) {
    p.log_retention.max_count = command.integer("max-retained-log-count");
    context.notice("Setting max retained log count to {}.", p.log_retention.max_count);
    changed = true;
  }
  if (command.given("max-retained-log-age")) {
    p.log_retention.max_age = command.duration("max-retained-log-age");
    context.notice("Setting max retained log age to {}.", go_duration(p.log_retention.max_age));
    changed = true;
  }
  if (command.given("max-retained-log-size-mb")) {
    p.log_retention.max_total_bytes = command.integer("max-retained-log-size-mb") << 20;
    context.notice("Setting total retained log size to {}.", bytes_text(p.log_retention.max_total_bytes));
    changed = true;
  }
  if (command.given("extend-object-locks")) {
    TRY_ASSIGN(p.extend_object_locks, parse_bool_text(command.text("extend-object-locks")));
    context.notice("Object Lock extension maintenance {}.", p.extend_object_locks ? "enabled" : "disabled");
    changed = true;
  }
  if (command.given("list-parallelism")) {
    p.list_parallelism = command.integer("list-parallelism");
    context.notice("Setting list parallelism to {}.", p.list_parallelism);
    changed = true;
  }
  return changed;
}

Status check_lock_extension(const Parameters& p, const format::BlobConfig& config) {
  constexpr Duration kMarginMin = hours(24);
  if (p.extend_object_locks && config.enabled() && config.retention_period - p.full.interval < kMarginMin) {
    return error(Code::invalid_argument,
                 "the repository's retention period must be at least {} longer than the full maintenance interval",
                 go_duration(kMarginMin));
  }
  return {};
}

Result<bool> pause(Context& context, const ParsedCommand& command, repo::Repository& repository) {
  const bool quick = command.given("pause-quick"), full = command.given("pause-full");
  if (!quick && !full) {
    return false;
  }
  TRY_ASSIGN(Schedule s, maintenance::load_schedule(repository.storage(), repository.format(), context.stop()));
  const Timestamp now = repository.clock().now();
  if (quick) {
    s.next_quick = now + command.duration("pause-quick");
    context.notice("Quick maintenance paused until {}", display_time(s.next_quick));
  }
  if (full) {
    s.next_full = now + command.duration("pause-full");
    context.notice("Full maintenance paused until {}", display_time(s.next_full));
  }
  TRY(maintenance::save_schedule(repository.storage(), repository.format(), s, context.stop()));
  return true;
}

Status run_set(Context& context, const ParsedCommand& command) {
  TRY_ASSIGN(const auto repository, context.open_repository());
  TRY_ASSIGN(Parameters p, maintenance::load_parameters(repository->manifests(), context.stop()));
  TRY_ASSIGN(const bool changed, change_parameters(context, command, *repository, p));
  TRY(check_lock_extension(p, repository->format().blob_config()));
  TRY_ASSIGN(const bool paused, pause(context, command, *repository));
  if (!changed && !paused) {
    return error(Code::invalid_argument, "no changes specified");
  }
  if (changed) {
    TRY(maintenance::save_parameters(repository->manifests(), p, context.stop()));
  }
  return commit_writer(context, *repository);
}

}  // namespace

void add_maintenance(CommandTable& table) {
  table.add({.path = "maintenance", .help = "Keep the repository small and healthy", .aliases = {"gc"}});
  table.add({.path = "maintenance info",
             .help = "Owner, cycles and recent runs of maintenance",
             .aliases = {"status"},
             .flags = json_flags(),
             .run = run_info});
  table.add({.path = "maintenance run",
             .help = "Run maintenance now",
             .flags = {{.name = "full", .help = "A full run: also what no snapshot needs is removed"},
                       {.name = "force", .help = "Also when another client is the owner", .hidden = true},
                       {.name = "max-memory",
                        .type = ValueType::byte_size,
                        .default_value = "512MiB",
                        .help = "Memory that the run may take, whatever the size of the repository"},
                       {.name = "safety",
                        .type = ValueType::choice,
                        .default_value = "full",
                        .help = "'none' only while no other client uses the repository",
                        .choices = {"none", "full"},
                        .refusal = "unhandled safety level"}},
             .run = run_run});
  table.add(
      {.path = "maintenance set",
       .help = "Change owner, cycles and log retention of maintenance",
       .flags = {{.name = "owner", .type = ValueType::text, .help = "Owner as user@host, or 'me'"},
                 {.name = "enable-quick", .type = ValueType::boolean_text, .help = "Run quick cycles by themselves"},
                 {.name = "enable-full", .type = ValueType::boolean_text, .help = "Run full cycles by themselves"},
                 {.name = "quick-interval", .type = ValueType::duration, .help = "Time between quick cycles"},
                 {.name = "full-interval", .type = ValueType::duration, .help = "Time between full cycles"},
                 {.name = "pause-quick", .type = ValueType::duration, .help = "No quick cycle for this time"},
                 {.name = "pause-full", .type = ValueType::duration, .help = "No full cycle for this time"},
                 {.name = "max-retained-log-count", .type = ValueType::integer, .help = "Log blobs to keep"},
                 {.name = "max-retained-log-age", .type = ValueType::duration, .help = "Age up to which logs are kept"},
                 {.name = "max-retained-log-size-mb",
                  .type = ValueType::integer,
                  .help = "Total size of logs to keep, in MiB"},
                 {.name = "extend-object-locks",
                  .type = ValueType::boolean_text,
                  .help = "Renew object locks in full cycles"},
                 {.name = "list-parallelism", .type = ValueType::integer, .help = "Parallel requests of clean-ups"}},
       .run = run_set});
}

}  // namespace cairn::cli
