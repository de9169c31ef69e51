#include <algorithm>

#include "base/units.h"
#include "blob/decorators.h"
#include "cli/commands/commands.h"
#include "cli/connect_flow.h"
#include "cli/progress.h"
#include "repo/sync.h"

namespace cairn::cli {
namespace {

using enum ValueType;

std::string counted(const repo::SyncCount& c) { return fmt::format("{} BLOBs ({})", c.blobs, bytes_text(c.bytes)); }

// "Copied 3 blobs (1 MB), Speed: 1 MB/s, ETA: 3s (…)"
std::string copied_text(const repo::SyncResult& r, Duration elapsed, Timestamp now) {
  std::string text = fmt::format("  Copied {} blobs ({}), ", r.copied.blobs, bytes_text(r.copied.bytes));
  const double speed = elapsed.ns > 0 ? static_cast<double>(r.copied.bytes) / elapsed.seconds() : 0;
  if (speed <= 0) {
    return text + "Speed: -, ETA: unknown";
  }
  const auto left = static_cast<std::int64_t>(static_cast<double>(r.to_copy.bytes - r.copied.bytes) / speed);
  return text + fmt::format("Speed: {}, ETA: {} ({})", speed_text(speed), go_duration(seconds(left)),
                            display_time(now + seconds(left)));
}

repo::SyncOptions sync_options(const ParsedCommand& command) {
  repo::SyncOptions o;
  o.update = command.boolean("update");
  o.remove = command.boolean("delete");
  o.must_exist = command.boolean("must-exist");
  o.times = command.boolean("times");
  o.verify = command.boolean("verify");
  o.dry_run = command.boolean("dry-run");
  o.parallel = static_cast<unsigned>(std::clamp<std::int64_t>(command.integer("parallel"), 1, 256));
  return o;
}

Status run_sync_to(Context& context, const ParsedCommand& command) {
  const repo::SyncOptions options = sync_options(command);
  TRY_ASSIGN(const Target target, open_target(context, command, {.read_only = options.dry_run}));
  const auto destination = blob::with_retry(target.storage, {});
  // Nothing of the source is written, so its connection need not be able to.
  TRY_ASSIGN(const auto repository, context.open_repository({.read_only = true}));
  context.notice("Synchronizing repositories:");
  context.notice("  Source:      {}", repository->storage().display_name());
  context.notice("  Destination: {}", destination->display_name());
  if (!options.remove) {
    context.notice("NOTE: By default no BLOBs are deleted, pass --delete to allow it.");
  }
  TRY(repo::check_sync_destination(repository->storage(), *destination, options.must_exist, context.stop()));
  context.notice("Looking for BLOBs to synchronize...");
  ProgressLine progress(context);
  const std::int64_t started = monotonic_ns();
  repo::SyncCallbacks callbacks;
  callbacks.on_compared = [&](const repo::SyncResult& r) {
    progress.show(fmt::format("  Found {} BLOBs in the destination repository ({})", r.in_destination.blobs,
                              bytes_text(r.in_destination.bytes)));
    progress.finish();
    progress.show(fmt::format("  Found {} in the source repository, {} ({}) to copy", counted(r.in_source),
                              r.to_copy.blobs, bytes_text(r.to_copy.bytes)));
    progress.finish();
    context.notice("  Found {} to delete ({}), {} in sync ({})", fmt::format("{} BLOBs", r.to_remove.blobs),
                   bytes_text(r.to_remove.bytes), r.in_sync.blobs, bytes_text(r.in_sync.bytes));
    if (r.different > 0) {
      context.warn("{} BLOBs differ in the destination and are left as they are; without --no-update they are replaced",
                   r.different);
    }
    if (!options.dry_run) {
      context.notice("Copying...");
    }
  };
  callbacks.on_copied = [&](const repo::SyncResult& r) {
    if (progress.due()) {
      progress.show(copied_text(r, {monotonic_ns() - started}, system_clock().now()));
    }
  };
  callbacks.on_vanished = [&](const BlobId& id) { context.notice("ignoring BLOB not found: {}", id.text); };
  auto result = repo::sync_repository(repository->storage(), *destination, options, callbacks, context.stop());
  progress.finish();
  TRY(result);
  return {};
}

}  // namespace

void add_repository_sync_to(CommandTable& table) {
  table.add(
      {.path = "repository sync-to",
       .help = "Make a copy of the repository in another storage, or bring it up to date",
       .flags = {{.name = "update", .default_value = "true", .help = "Replace BLOBs that differ"},
                 {.name = "delete", .help = "Delete BLOBs that the repository does not have"},
                 {.name = "dry-run", .short_name = 'n', .help = "Only say what would be done; nothing is written"},
                 {.name = "parallel", .type = integer, .default_value = "1", .help = "Copies made at once"},
                 {.name = "must-exist", .help = "Fail where the destination holds no copy yet"},
                 {.name = "times", .help = "Keep the times of BLOBs where the storage can"},
                 {.name = "verify", .help = "Read back every BLOB that was written and compare it"}}});
  add_provider_commands(table, "repository sync-to", "Copy to", false, run_sync_to);
}

}  // namespace cairn::cli
