#include <algorithm>
#include <unordered_set>

#include "cli/commands/commands.h"
#include "cli/context.h"
#include "cli/format.h"

namespace cairn::cli {
namespace {

using enum ValueType;

void sort_blobs(std::vector<blob::BlobMetadata>& blobs, const std::string& order) {
  std::ranges::sort(blobs, [&](const blob::BlobMetadata& a, const blob::BlobMetadata& b) {
    if (order == "size" && a.length != b.length) {
      return a.length < b.length;
    }
    if (order == "time" && a.timestamp != b.timestamp) {
      return a.timestamp < b.timestamp;
    }
    return a.id < b.id;
  });
}

// Index blobs that compaction has replaced, until maintenance deletes them.
Status add_superseded(Context& context, repo::Repository& repository, std::vector<blob::BlobMetadata>& blobs) {
  std::unordered_set<std::string> in_force;
  for (const blob::BlobMetadata& blob : blobs) {
    in_force.insert(blob.id.text);
  }
  const bool epochs = repository.format().current()->epoch.enabled;
  for (const std::string_view prefix :
       epochs ? std::vector<std::string_view>{"xn", "xs", "xr"} : std::vector<std::string_view>{"n"}) {
    TRY_ASSIGN(const auto all, repository.storage().list_all(prefix, context.stop()), "error listing indexes");
    std::ranges::copy_if(all, std::back_inserter(blobs),
                         [&](const blob::BlobMetadata& blob) { return !in_force.contains(blob.id.text); });
  }
  return {};
}

Status run_index_list(Context& context, const ParsedCommand& command) {
  TRY_ASSIGN(const auto repository, context.open_repository({.read_only = true}));
  TRY_ASSIGN(index::ActiveSet active, repository->contents().indexes().active(context.stop()), "error listing indexes");
  if (command.boolean("superseded")) {
    TRY(add_superseded(context, *repository, active.blobs));
  }
  sort_blobs(active.blobs, command.text("sort"));
  const bool as_json = command.boolean("json");
  std::optional<JsonList> json;
  if (as_json) {
    json.emplace(context, command);
  }
  for (const blob::BlobMetadata& blob : active.blobs) {
    if (json) {
      json->add(Json::object({{"id", blob.id.text},
                              {"length", blob.length},
                              {"timestamp", rfc3339(blob.timestamp)},
                              {"Superseded", nullptr}}));
    } else {
      context.print("{:<60} {:>10} {} []\n", blob.id.text, blob.length, display_time(blob.timestamp, true));
    }
  }
  if (json) {
    json->end();
  } else if (command.boolean("summary")) {
    context.print("total {} indexes\n", active.blobs.size());
  }
  return {};
}

}  // namespace

void add_index_list(CommandTable& table) {
  std::vector<FlagSpec> flags = {{.name = "summary", .help = "Show the number of blobs at the end"},
                                 {.name = "superseded", .help = "Also those that compaction has replaced"},
                                 {.name = "sort",
                                  .type = choice,
                                  .default_value = "time",
                                  .help = "Order of the list",
                                  .choices = {"time", "size", "name"}}};
  append_flags(flags, json_flags());
  table.add({.path = "index list",
             .help = "List the index blobs in force",
             .aliases = {"ls"},
             .flags = std::move(flags),
             .run = run_index_list});
}

}  // namespace cairn::cli
