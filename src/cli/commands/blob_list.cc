#include "cli/commands/commands.h"
#include "cli/context.h"
#include "cli/format.h"

namespace cairn::cli {
namespace {

using enum ValueType;

bool is_wanted(const blob::BlobMetadata& blob, const ParsedCommand& command) {
  for (const std::string& prefix : command.list("exclude-prefix")) {
    if (blob.id.starts_with(prefix)) {
      return false;
    }
  }
  if (command.given("max-size") && blob.length > command.integer("max-size")) {
    return false;
  }
  if (command.given("min-size") && blob.length < command.integer("min-size")) {
    return false;
  }
  return !command.boolean("data-only") || blob.id.starts_with("p") || blob.id.starts_with("q");
}

Status run_blob_list(Context& context, const ParsedCommand& command) {
  TRY_ASSIGN(const auto repository, context.open_repository({.read_only = true}));
  std::optional<JsonList> json;
  if (command.boolean("json")) {
    json.emplace(context, command);
  }
  const auto show = [&](const blob::BlobMetadata& blob) -> Status {
    if (!is_wanted(blob, command)) {
      return {};
    }
    if (json) {
      json->add(Json::object({{"id", blob.id.text}, {"length", blob.length}, {"timestamp", rfc3339(blob.timestamp)}}));
    } else {
      context.print("{:<70} {:>10} {}\n", blob.id.text, blob.length, display_time(blob.timestamp));
    }
    return {};
  };
  TRY(repository->storage().list(command.text("prefix"), show, context.stop()), "error listing blobs");
  if (json) {
    json->end();
  }
  return {};
}

}  // namespace

void add_blob_list(CommandTable& table) {
  std::vector<FlagSpec> flags = {
      {.name = "prefix", .type = text, .help = "Only blobs whose id starts with this"},
      {.name = "exclude-prefix", .type = text, .help = "Not blobs whose id starts with this", .repeatable = true},
      {.name = "min-size", .type = int64, .help = "Only blobs of at least this many bytes"},
      {.name = "max-size", .type = int64, .help = "Only blobs of at most this many bytes"},
      {.name = "data-only", .help = "Only pack blobs"}};
  append_flags(flags, json_flags());
  table.add({.path = "blob list",
             .help = "List the blobs of the storage",
             .aliases = {"ls"},
             .flags = std::move(flags),
             .run = run_blob_list});
}

}  // namespace cairn::cli
