// cache sync, prefetch: filling the local cache before it is needed.
#include <algorithm>

#include "cli/commands/commands.h"
#include "cli/context.h"
#include "content/prefetch.h"
#include "snapshot/resolve.h"

namespace cairn::cli {
namespace {

using enum ValueType;
constexpr unsigned kPrefetchParallelism = 16;

Status run_sync(Context& context, const ParsedCommand& command) {
  TRY_ASSIGN(const auto repository, context.open_repository({.read_only = true}));
  const auto parallel = static_cast<unsigned>(std::clamp<std::int64_t>(command.integer("parallel"), 1, 256));
  return content::sync_metadata_cache(repository->contents(), parallel, context.stop());
}

Status run_prefetch(Context& context, const ParsedCommand& command) {
  TRY_ASSIGN(const auto repository, context.open_repository({.read_only = true}));
  std::vector<ContentId> ids;
  const auto take = [&](const ContentId& id) -> Status {
    ids.push_back(id);
    return {};
  };
  for (const std::string& path : command.arguments("object")) {
    TRY_ASSIGN(const object::ObjectId id, snapshot::resolve_object_id(repository->objects(), path, context.stop()),
               "unable to parse ID: {}", path);
    TRY(repository->objects().verify(id, take, context.stop()), "error prefetching {}", path);
  }
  TRY_ASSIGN(const std::int64_t count,
             content::prefetch_contents(repository->contents(), ids, kPrefetchParallelism, context.stop()),
             "error prefetching");
  context.notice("prefetched {} contents", count);
  return {};
}

}  // namespace

void add_cache_fetch(CommandTable& table) {
  table.add({.path = "cache sync",
             .help = "Fetch all metadata into the cache",
             .flags = {{.name = "parallel", .type = integer, .default_value = "16", .help = "Packs fetched at once"}},
             .run = run_sync});
  table.add({.path = "cache prefetch",
             .help = "Fetch objects into the cache",
             .arguments =
                 {{.name = "object", .help = "Object ids, and paths below them", .required = true, .repeatable = true}},
             .flags = {{.name = "hint", .type = text, .help = "Accepted; has no effect"}},
             .run = run_prefetch});
}

}  // namespace cairn::cli
