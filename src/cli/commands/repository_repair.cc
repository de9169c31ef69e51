// repository repair: a lost format blob from the copies that packs of format 1 carry. Works without a connection.
#include "blob/decorators.h"
#include "cli/commands/commands.h"
#include "cli/connect_flow.h"

namespace cairn::cli {
namespace {

using enum ValueType;

enum class Found : unsigned char { absent, damaged, valid };

// Whether a password opens it cannot be known here.
Result<Found> look_for_format_blob(blob::Storage& storage, std::stop_token stop) {
  const auto stored = storage.get(BlobId(format::kFormatBlobId), {}, stop);
  if (stored.code() == Code::not_found) {
    return Found::absent;
  }
  TRY(stored, "unable to read format blob");
  return format::FormatBlob::parse(stored->view()).ok() ? Found::valid : Found::damaged;
}

Status run_repair(Context& context, const ParsedCommand& command) {
  const bool dry_run = command.boolean("dry-run");
  TRY_ASSIGN(const Target target, open_target(context, command, {.read_only = dry_run}));
  const auto storage = blob::with_retry(target.storage, {});
  const std::string& recover = command.text("recover-format");
  if (recover == "no") {
    context.notice("the format blob is not looked at (--recover-format=no), there is nothing else to repair");
    return {};
  }
  context.notice("looking for format blob...");
  TRY_ASSIGN(const Found present, look_for_format_blob(*storage, context.stop()));
  if (present == Found::valid && recover != "yes") {
    context.notice("the format blob is there, so nothing is recovered; --recover-format=yes replaces it");
    return {};
  }
  if (present == Found::damaged) {
    context.warn("the format blob is damaged");
  }
  const auto progress = [&](const BlobId& id) {
    context.notice("looking for replica of format blob in {}...", id.text);
  };
  std::vector<std::string> prefixes = command.list("recover-format-block-prefixes");
  if (prefixes.empty()) {
    prefixes = {"p", "q"};
  }
  TRY_ASSIGN(const format::FoundReplica found, format::find_replica(*storage, prefixes, progress, context.stop()));
  TRY(format::FormatBlob::parse(found.format_blob), "the replica in {}", found.found_in.text);
  if (dry_run) {
    context.notice("would recover replica block from {}", found.found_in.text);
    return {};
  }
  TRY(storage->put(BlobId(format::kFormatBlobId), ByteView(found.format_blob), context.stop()),
      "unable to write format blob");
  context.notice("recovered replica block from {}", found.found_in.text);
  return {};
}

}  // namespace

void add_repository_repair(CommandTable& table) {
  table.add({.path = "repository repair",
             .help = "Recover a lost format blob from the copies in packs (repositories of format 1)",
             .hidden = true,
             .dangerous = true,
             .flags = {{.name = "recover-format",
                        .type = choice,
                        .default_value = "auto",
                        .help = "Recover the format blob: only where it is lost or damaged, always, or not at all",
                        .choices = {"auto", "yes", "no"}},
                       {.name = "recover-format-block-prefixes",
                        .type = text,
                        .help = "Prefixes of the packs that are searched; p and q when not given",
                        .repeatable = true,
                        .placeholder = "PREFIX"},
                       {.name = "dry-run", .short_name = 'n', .help = "Only show what would be recovered"}}});
  add_provider_commands(table, "repository repair", "Repair a repository in", false, run_repair);
}

}  // namespace cairn::cli
