#include <algorithm>
#include <set>

#include "base/task_group.h"
#include "cli/commands/commands.h"
#include "cli/context.h"
#include "repo/upgrade_index.h"

namespace cairn::cli {
namespace {

using enum ValueType;

Result<std::vector<blob::BlobMetadata>> chosen_blobs(Context& context, const ParsedCommand& command,
                                                     repo::Repository& repository) {
  std::vector<blob::BlobMetadata> blobs;
  if (command.boolean("all")) {
    for (const char* prefix : {"n", "xn", "xs", "xr"}) {
      TRY_ASSIGN(auto more, repository.storage().list_all(prefix, context.stop()), "error listing index blobs");
      std::ranges::move(more, std::back_inserter(blobs));
    }
    std::erase_if(blobs, [](const blob::BlobMetadata& blob) { return blob.id.text == repo::kPoisonBlobId; });
    return blobs;
  }
  if (command.boolean("active")) {
    TRY_ASSIGN(index::ActiveSet active, repository.contents().indexes().active(context.stop()),
               "error listing index blobs");
    return std::move(active.blobs);
  }
  for (const std::string& id : command.arguments("blobs")) {
    TRY_ASSIGN(auto blob, repository.storage().metadata(BlobId(id), context.stop()), "unable to get metadata for {}",
               id);
    blobs.push_back(std::move(blob));
  }
  if (blobs.empty()) {
    return error(Code::invalid_argument, "must pass either --all, --active or provide a list of blob IDs to inspect");
  }
  return blobs;
}

// The rows of one index blob.
Result<std::string> inspect(repo::Repository& repository, const blob::BlobMetadata& blob,
                            const std::set<std::string>& wanted, std::stop_token stop) {
  TRY_ASSIGN(const Buffer stored, repository.storage().get(blob.id, {}, stop), "unable to get data for {}",
             blob.id.text);
  TRY_ASSIGN(const index::IndexReader reader, index::open_index_blob(repository.contents().crypto(), blob.id, stored));
  std::string rows;
  for (std::size_t i = 0; i < reader.size(); ++i) {
    TRY_ASSIGN(const index::Entry e, reader.at(i), "index blob {}", blob.id.text);
    const std::string id = e.id.text();
    if (!wanted.empty() && !wanted.contains(id)) {
      continue;
    }
    rows +=
        fmt::format("{} {} {} {} {} {} {} {}\n", display_time(blob.timestamp, true), blob.id.text, id,
                    e.deleted ? "deleted" : "created", display_time(Timestamp::from_seconds(e.timestamp_seconds), true),
                    e.pack, e.pack_offset, e.packed_length);
  }
  return rows;
}

Status run_index_inspect(Context& context, const ParsedCommand& command) {
  TRY_ASSIGN(const auto repository, context.open_repository({.read_only = true}));
  TRY_ASSIGN(const auto blobs, chosen_blobs(context, command, *repository));
  const auto& list = command.list("content-id");
  const std::set<std::string> wanted(list.begin(), list.end());
  // As many at once as are read in parallel: rows come out in the order of the blobs and need bounded memory.
  const auto parallel = static_cast<std::size_t>(std::clamp<std::int64_t>(command.integer("parallel"), 1, 64));
  for (std::size_t first = 0; first < blobs.size(); first += parallel) {
    std::vector<std::string> rows(std::min(parallel, blobs.size() - first));
    TRY(parallel_for(rows.size(), static_cast<unsigned>(rows.size()), context.stop(),
                     [&](std::size_t i, std::stop_token stop) -> Status {
                       TRY_ASSIGN(rows[i], inspect(*repository, blobs[first + i], wanted, stop));
                       return {};
                     }));
    for (const std::string& text : rows) {
      context.write(text);
    }
  }
  return {};
}

}  // namespace

void add_index_inspect(CommandTable& table) {
  table.add(
      {.path = "index inspect",
       .help = "Print the entries of index blobs",
       .arguments = {{.name = "blobs", .help = "Ids of index blobs", .repeatable = true}},
       .flags = {{.name = "all", .help = "Every index blob of the storage"},
                 {.name = "active", .help = "The index blobs in force"},
                 {.name = "content-id", .type = text, .help = "Only entries of these contents", .repeatable = true},
                 {.name = "parallel", .type = integer, .default_value = "8", .help = "Blobs read at once"}},
       .run = run_index_inspect});
}

}  // namespace cairn::cli
