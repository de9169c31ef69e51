#include <algorithm>

#include "base/units.h"
#include "cli/commands/commands.h"
#include "cli/connect_flow.h"
#include "repo/upgrade_index.h"

namespace cairn::cli {
namespace {

using enum ValueType;
using format::BlobConfig;
using format::Parameters;

struct Change {
  Context& context;
  const ParsedCommand& command;
  Parameters& p;
  BlobConfig& blobs;
  bool any = false;

  void said(std::string_view what, std::string_view value) {
    context.notice(" - setting {} to {}.\n", what, value);
    any = true;
  }
  // Flags below take 0 for "not given".
  void duration_flag(const char* flag, const char* what, Duration& to) {
    if (const Duration d = command.duration(flag); d.ns != 0) {
      to = d;
      said(what, go_duration(d));
    }
  }
  void count_flag(const char* flag, const char* what, std::int64_t& to) {
    if (const std::int64_t n = command.integer(flag); n != 0) {
      to = n;
      said(what, std::to_string(n));
    }
  }
  void size_flag(const char* flag, const char* what, std::int64_t& to) {
    if (const std::int64_t n = command.integer(flag); n != 0) {
      to = n << 20;
      said(what, bytes_text(to));
    }
  }

  Status index_version() {
    const auto wanted = static_cast<int>(command.integer("index-version"));
    if (wanted == 0 || wanted == p.index_version) {
      return {};
    }
    if (wanted < p.index_version) {
      return error(Code::invalid_argument, "index format version can only be upgraded");
    }
    p.index_version = wanted;
    said("index format version", std::to_string(wanted));
    return {};
  }

  void retention() {
    const std::string& mode = command.text("retention-mode");
    if (mode == "none") {
      if (blobs.enabled()) {
        context.notice("disabling blob retention");
        blobs = BlobConfig();
        any = true;
      }
      return;
    }
    if (!mode.empty()) {
      blobs.retention_mode = mode;
      said("storage backend blob retention mode", mode);
    }
    duration_flag("retention-period", "storage backend blob retention period", blobs.retention_period);
  }

  Status all() {
    size_flag("max-pack-size-mb", "maximum pack size", p.max_pack_size);
    TRY(index_version());
    retention();
    duration_flag("epoch-min-duration", "minimum epoch duration", p.epoch.min_epoch_duration);
    duration_flag("epoch-refresh-frequency", "epoch refresh frequency", p.epoch.refresh_frequency);
    duration_flag("epoch-cleanup-safety-margin", "epoch cleanup safety margin", p.epoch.cleanup_safety_margin);
    count_flag("epoch-advance-on-count", "epoch advance on count", p.epoch.advance_on_count);
    size_flag("epoch-advance-on-size-mb", "epoch advance on total size", p.epoch.advance_on_total_size_bytes);
    count_flag("epoch-delete-parallelism", "epoch delete parallelism", p.epoch.delete_parallelism);
    count_flag("epoch-checkpoint-frequency", "epoch range-compaction period", p.epoch.full_checkpoint_frequency);
    return {};
  }
};

// Format 1 becomes 2: epochs and the second index version, with the keys it has. Newer ones stay.
Status upgrade(Context& context, repo::Repository& repository, Parameters& p) {
  if (p.epoch.enabled) {
    return {};
  }
  context.notice("migrating current indexes to epoch format");
  const format::EpochParameters epochs = format::EpochParameters::defaults();
  TRY(repo::copy_index_to_epochs(repository, epochs, repo::kUpgradedIndexVersion, context.stop()),
      "error upgrading indices");
  p.version = std::max(p.version, 2);
  p.index_version = repo::kUpgradedIndexVersion;
  p.epoch = epochs;
  return {};
}

Status run_set_parameters(Context& context, const ParsedCommand& command) {
  TRY_ASSIGN(const auto repository, context.open_repository());
  bool changes = command.boolean("upgrade");
  const auto edit = [&](Parameters& p, BlobConfig& blobs) -> Status {
    Change change{context, command, p, blobs};
    TRY(change.all());
    changes = changes || change.any;
    return {};
  };
  {  // tried on copies first: what is said does not depend on what can be written
    Parameters p = repository->format().current()->clone();
    BlobConfig blobs = repository->format().blob_config();
    TRY(edit(p, blobs));
    if (!changes) {
      context.notice("no changes");
      return {};
    }
    constexpr std::string_view kFrame = "error updating repository parameters: error setting parameters";
    TRY(p.validate(), "{}: invalid parameters", kFrame);
    TRY(blobs.validate(), "{}: invalid blob-config options", kFrame);
    if (command.boolean("upgrade")) {
      TRY(upgrade(context, *repository, p));
    }
    const auto write = [&](Parameters& to, BlobConfig& to_blobs) -> Status {
      to = p.clone();
      to_blobs = blobs;
      return {};
    };
    TRY(repository->format().update(write, context.stop()), "{}", kFrame);
  }
  forget_cached_format(context, *repository);
  context.notice("NOTE: Repository parameters updated, you must disconnect and re-connect all other Kopia clients.");
  return {};
}

}  // namespace

void add_repository_set_parameters(CommandTable& table) {
  table.add(
      {.path = "repository set-parameters",
       .help = "Change parameters of the repository, for all clients",
       .aliases = {"set-params"},
       .flags =
           {{.name = "max-pack-size-mb", .type = integer, .help = "Size up to which packs are filled, in MiB"},
            {.name = "index-version", .type = integer, .help = "Version of index blobs to write"},
            {.name = "retention-mode",
             .type = choice,
             .help = "Object lock of new BLOBs",
             .choices = {"none", "GOVERNANCE", "COMPLIANCE"}},
            {.name = "retention-period", .type = duration, .help = "How long BLOBs are locked"},
            {.name = "upgrade", .help = "Change to the newest repository format that needs no new keys"},
            {.name = "epoch-refresh-frequency", .type = duration, .help = "How long clients may trust a listing"},
            {.name = "epoch-min-duration", .type = duration, .help = "Shortest time of an epoch"},
            {.name = "epoch-cleanup-safety-margin", .type = duration, .help = "How long replaced index BLOBs are kept"},
            {.name = "epoch-advance-on-count", .type = integer, .help = "Index BLOBs that end an epoch"},
            {.name = "epoch-advance-on-size-mb", .type = integer, .help = "Size of index BLOBs that ends an epoch"},
            {.name = "epoch-delete-parallelism", .type = integer, .help = "Index BLOBs deleted at once"},
            {.name = "epoch-checkpoint-frequency", .type = integer, .help = "Epochs joined into one range"}},
       .run = run_set_parameters});
}

}  // namespace cairn::cli
