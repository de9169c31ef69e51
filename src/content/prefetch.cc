#include "content/prefetch.h"

#include <atomic>
#include <map>

#include "base/task_group.h"

namespace cairn::content {

Result<std::int64_t> prefetch_contents(ContentManager& contents, const std::vector<ContentId>& ids, unsigned parallel,
                                       std::stop_token stop) {
  std::atomic<std::int64_t> read{0};
  TRY(parallel_for(ids.size(), parallel, stop, [&](std::size_t i, std::stop_token inner) -> Status {
    const auto bytes = contents.read(ids[i], inner);
    if (!bytes.ok() && bytes.code() != Code::not_found && bytes.code() != Code::corrupt) {
      return bytes.status();
    }
    read += bytes.ok() ? 1 : 0;
    return {};
  }));
  return read.load();
}

Status sync_metadata_cache(ContentManager& contents, unsigned parallel, std::stop_token stop) {
  // Metadata packs are fetched whole: one content of each is enough.
  std::map<BlobId, ContentId> one_of_each;
  IterateOptions prefixed;
  prefixed.first = "g";
  TRY(contents.iterate(
      prefixed,
      [&](const ContentInfo& info) -> Status {
        one_of_each.try_emplace(info.pack, info.id);
        return {};
      },
      stop));
  std::vector<ContentId> ids;
  for (const auto& [pack, id] : one_of_each) {
    ids.push_back(id);
  }
  return prefetch_contents(contents, ids, parallel, stop).status();
}

}  // namespace cairn::content
