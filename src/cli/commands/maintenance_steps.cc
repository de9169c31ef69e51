// blob gc, content rewrite, index optimize: steps of maintenance, by hand.
#include <algorithm>
#include <mutex>

#include "base/task_group.h"
#include "base/units.h"
#include "cli/auto_maintenance.h"
#include "cli/commands/commands.h"
#include "cli/content_view.h"
#include "cli/format.h"
#include "index/epoch_tasks.h"
#include "maintenance/blob_tasks.h"
#include "maintenance/rewrite.h"

namespace cairn::cli {
namespace {

using enum ValueType;

FlagSpec safety_flag() {
  return {.name = "safety",
          .type = choice,
          .default_value = "full",
          .help = "none: no other client uses the repository",
          .choices = {"none", "full"},
          .refusal = "unhandled safety level"};
}

maintenance::Safety safety_of(const ParsedCommand& command) {
  return command.text("safety") == "none" ? maintenance::Safety::none() : maintenance::Safety::full();
}

Status run_blob_gc(Context& context, const ParsedCommand& command) {
  const bool dry_run = command.text("delete") != "yes";
  TRY_ASSIGN(const auto repository, context.open_repository());
  maintenance::DeletePacksOptions options;
  options.now = repository->clock().now();
  options.list_parallelism = command.integer("parallel");
  options.dry_run = dry_run;
  if (command.given("prefix")) {
    options.prefixes = {command.text("prefix")};
  }
  TRY_ASSIGN(const maintenance::DeletePacksStats stats,
             maintenance::delete_unreferenced_packs(*repository, safety_of(command), options, {}, context.stop()),
             "error deleting unreferenced blobs");
  const std::int64_t deletable = stats.unreferenced.count - stats.retained.count;
  if (deletable == 0) {
    return {};
  }
  if (dry_run) {
    context.notice("Would delete {} unreferenced blobs ({})", deletable,
                   bytes_text(stats.unreferenced.bytes - stats.retained.bytes));
    context.notice("Pass --delete=yes to delete.");
  } else {
    context.notice("Deleted {} unreferenced blobs ({})", stats.deleted.count, bytes_text(stats.deleted.bytes));
  }
  return {};
}

// Contents that the arguments and flags choose, without those of short packs.
Result<std::vector<ContentId>> chosen_contents(Context& context, const ParsedCommand& command,
                                               repo::Repository& repository) {
  std::vector<ContentId> ids;
  for (const std::string& text : command.arguments("contentID")) {
    TRY_ASSIGN(const ContentId id, parse_content_id(text));
    ids.push_back(id);
  }
  const std::int64_t version = command.integer("format-version", -1);
  const std::string& pack_prefix = command.text("pack-prefix");
  const bool by_range = command.given("prefix") || command.boolean("prefixed") || command.boolean("non-prefixed");
  if (version < 0 && !by_range && (pack_prefix.empty() || command.boolean("short"))) {
    return ids;
  }
  content::IterateOptions range = content_range(command);
  range.include_deleted = true;
  const auto take = [&](const content::ContentInfo& info) -> Status {
    if ((version < 0 || info.format_version == version) && info.pack.starts_with(pack_prefix)) {
      ids.push_back(info.id);
    }
    return {};
  };
  TRY(repository.contents().iterate(range, take, context.stop()), "error iterating contents");
  return ids;
}

Status rewrite_chosen(Context& context, const ParsedCommand& command, repo::Repository& repository,
                      const std::vector<ContentId>& ids) {
  const bool dry_run = command.boolean("dry-run");
  std::mutex mutex;
  const auto parallel = static_cast<unsigned>(std::clamp<std::int64_t>(command.integer("parallelism"), 1, 64));
  return parallel_for(ids.size(), parallel, context.stop(), [&](std::size_t i, std::stop_token stop) -> Status {
    {
      const std::lock_guard lock(mutex);
      context.notice("Rewriting content {}{}...", ids[i].text(), dry_run ? " (dry run)" : "");
    }
    return dry_run ? Status()
                   : repository.contents().rewrite(ids[i], stop).with_frame("error rewriting " + ids[i].text());
  });
}

Status run_content_rewrite(Context& context, const ParsedCommand& command) {
  TRY_ASSIGN(const auto repository, context.open_repository());
  TRY_ASSIGN(const auto ids, chosen_contents(context, command, *repository));
  if (ids.empty() && !command.boolean("short")) {
    return error(Code::invalid_argument, "must pass content ids, --short, --format-version, --pack-prefix or a range");
  }
  TRY(rewrite_chosen(context, command, *repository, ids));
  if (command.boolean("short")) {
    const maintenance::RewriteOptions options{.now = repository->clock().now(),
                                              .pack_prefix = command.text("pack-prefix"),
                                              .dry_run = command.boolean("dry-run")};
    TRY_ASSIGN(const maintenance::RewriteStats stats,
               maintenance::rewrite_short_packs(*repository, safety_of(command), options, maintenance_report(context),
                                                context.stop()),
               "error rewriting contents");
    if (!stats.problems.empty()) {
      return error(Code::corrupt, "failed to rewrite {} contents, the first: {}", stats.problems.size(),
                   stats.problems.front());
    }
  }
  return repository->flush(context.stop());
}

Status run_index_optimize(Context& context, const ParsedCommand&) {
  TRY_ASSIGN(const auto repository, context.open_repository());
  index::EpochManager* epochs = repository->contents().epochs();
  if (epochs == nullptr) {
    return error(Code::unsupported,
                 "index blobs of format 1 are not compacted by this program; upgrade the repository "
                 "with 'repository set-parameters --upgrade'");
  }
  const auto parameters = repository->format().current();
  const index::EpochTaskContext task{repository->storage(), repository->contents().crypto(), *epochs, parameters->epoch,
                                     parameters->index_version};
  while (true) {
    TRY_ASSIGN(const index::EpochState state, epochs->state(context.stop()));
    TRY_ASSIGN(const auto compacted, index::compact_single_epoch(task, state, context.stop()),
               "error compacting an epoch");
    if (!compacted) {
      break;
    }
    context.notice("Compacted epoch {}: {} blobs ({})", compacted->epoch, compacted->blob_count,
                   bytes_text(compacted->total_bytes));
    epochs->invalidate();
  }
  TRY_ASSIGN(const index::EpochState state, epochs->state(context.stop()));
  TRY_ASSIGN(const auto range, index::compact_range(task, state, context.stop()), "error compacting epochs");
  if (range) {
    context.notice("Compacted epochs {} to {}", range->first, range->second);
  }
  return {};
}

}  // namespace

void add_maintenance_steps(CommandTable& table) {
  table.add({.path = "blob gc",
             .help = "Delete packs that no index names",
             .hidden = true,
             .dangerous = true,
             .flags = {{.name = "delete", .type = text, .default_value = "no", .help = "yes: delete, not only count"},
                       {.name = "parallel", .type = integer, .default_value = "16", .help = "Listings at once"},
                       {.name = "prefix", .type = text, .help = "Only blobs whose id starts with this"},
                       safety_flag()},
             .run = run_blob_gc});
  std::vector<FlagSpec> flags = {
      {.name = "parallelism", .type = integer, .default_value = "16", .help = "Contents copied at once"},
      {.name = "short", .help = "Contents of packs that are much shorter than others"},
      {.name = "format-version", .type = integer, .default_value = "-1", .help = "Contents of this format version"},
      {.name = "pack-prefix", .type = text, .help = "Contents of packs whose id starts with this"},
      {.name = "dry-run", .short_name = 'n', .help = "Only say what would be rewritten"},
      safety_flag()};
  append_flags(flags, content_range_flags());
  table.add({.path = "content rewrite",
             .help = "Copy contents into new packs",
             .hidden = true,
             .dangerous = true,
             .arguments = {{.name = "contentID", .help = "Content ids", .repeatable = true}},
             .flags = std::move(flags),
             .run = run_content_rewrite});
  table.add({.path = "index optimize",
             .help = "Merge index blobs",
             .hidden = true,
             .dangerous = true,
             .run = run_index_optimize});
}

}  // namespace cairn::cli
