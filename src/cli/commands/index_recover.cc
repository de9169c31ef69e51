// index recover: builds the index anew from the local indexes of the packs.
#include <algorithm>
#include <mutex>

#include "base/task_group.h"
#include "cli/commands/commands.h"
#include "cli/context.h"
#include "content/recover.h"
#include "content/session.h"

namespace cairn::cli {
namespace {

using enum ValueType;

Result<std::vector<blob::BlobMetadata>> chosen_packs(Context& context, const ParsedCommand& command,
                                                     blob::Storage& storage) {
  std::vector<blob::BlobMetadata> packs;
  for (const std::string& id : command.list("blobs")) {
    TRY_ASSIGN(auto pack, storage.metadata(BlobId(id), context.stop()), "unable to get metadata for {}", id);
    packs.push_back(std::move(pack));
  }
  if (!packs.empty()) {
    return packs;
  }
  std::vector<std::string> prefixes = command.list("blob-prefixes");
  if (prefixes.empty()) {
    prefixes = {"p", "q"};
  }
  for (const std::string& prefix : prefixes) {
    TRY_ASSIGN(auto more, storage.list_all(prefix, context.stop()), "error listing blobs");
    std::ranges::move(more, std::back_inserter(packs));
  }
  return packs;
}

struct Recovered {
  index::IndexBuilder entries;
  std::size_t packs = 0;
};

Status recover(Context& context, const ParsedCommand& command, repo::Repository& repository,
               const std::vector<blob::BlobMetadata>& packs, Recovered& out) {
  std::mutex mutex;
  const auto parallel = static_cast<unsigned>(std::clamp<std::int64_t>(command.integer("parallel"), 1, 64));
  return parallel_for(packs.size(), parallel, context.stop(), [&](std::size_t i, std::stop_token stop) -> Status {
    index::IndexBuilder some;
    const auto count =
        content::recover_pack_index(repository.storage(), repository.contents().crypto(), packs[i], some, stop);
    if (!count.ok()) {
      const bool damaged = count.code() == Code::corrupt || count.code() == Code::not_found;
      if (!damaged || !command.boolean("ignore-errors")) {
        return count.status().with_frame("unable to recover index from " + packs[i].id.text);
      }
      log::warning(kLogModule, "unable to recover index from {}: {}", packs[i].id.text, count.status().message());
      return {};
    }
    const std::lock_guard lock(mutex);
    ++out.packs;
    return some.for_each([&](const index::Entry& e) -> Status {
      out.entries.add(e);
      return {};
    });
  });
}

// The new index is stored before an old blob goes: at no moment is there less than there was.
Status commit(Context& context, const ParsedCommand& command, repo::Repository& repository, const Recovered& found) {
  index::IndexManager& indexes = repository.contents().indexes();
  std::vector<BlobId> old;
  if (command.boolean("delete-indexes")) {
    for (const char* prefix : {"n", "xn", "xs", "xr"}) {
      TRY_ASSIGN(const auto blobs, repository.storage().list_all(prefix, context.stop()), "error listing index blobs");
      for (const auto& blob : blobs) {
        old.push_back(blob.id);
      }
    }
  }
  TRY_ASSIGN(auto plain, found.entries.build(repository.format().current()->index_version), "building index");
  TRY(indexes.write(std::move(plain), content::new_session_id(repository.clock().now()), context.stop()),
      "error writing index");
  for (const BlobId& id : old) {
    TRY(repository.storage().remove(id, context.stop()), "unable to delete index blob {}", id.text);
  }
  indexes.invalidate();
  return {};
}

Status run_index_recover(Context& context, const ParsedCommand& command) {
  TRY_ASSIGN(const auto repository, context.open_repository({.defer_indexes = true}));
  TRY_ASSIGN(const auto packs, chosen_packs(context, command, repository->storage()));
  Recovered found;
  TRY(recover(context, command, *repository, packs, found));
  if (!command.boolean("commit")) {
    context.notice("Found {} contents to recover from {} blobs, but not committed. Re-run with --commit",
                   found.entries.size(), found.packs);
    return {};
  }
  TRY(commit(context, command, *repository, found));
  context.notice("Recovered {} contents from {} blobs.", found.entries.size(), found.packs);
  return {};
}

}  // namespace

void add_index_recover(CommandTable& table) {
  table.add({.path = "index recover",
             .help = "Build the index anew from the packs",
             .dangerous = true,
             .flags = {{.name = "blob-prefixes",
                        .type = text,
                        .help = "Prefixes of the packs to read; p and q when not given",
                        .repeatable = true},
                       {.name = "blobs", .type = text, .help = "Packs to read, instead of all", .repeatable = true},
                       {.name = "parallel", .type = integer, .default_value = "1", .help = "Packs read at once"},
                       {.name = "ignore-errors", .help = "Leave out packs that cannot be read"},
                       {.name = "delete-indexes", .help = "Delete the index blobs there were"},
                       {.name = "commit", .help = "Store the new index"}},
             .run = run_index_recover});
}

}  // namespace cairn::cli
