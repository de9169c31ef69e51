#include "maintenance/rewrite.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <unordered_map>

#include "base/log.h"
#include "base/task_group.h"

namespace cairn::maintenance {
namespace {

constexpr std::int64_t kShortPackPercent = 60;  // of the largest pack size
constexpr std::size_t kProblemsMax = 100;

bool wanted(const BlobId& pack, const std::string& prefix) { return prefix.empty() || pack.starts_with(prefix); }

// Packs below the limit with their bytes, without those that are the only short one of their letter: nothing would be
// gained.
Result<std::unordered_map<std::string, std::int64_t>> short_packs(repo::Repository& repository,
                                                                  const std::string& prefix, std::stop_token stop) {
  std::unordered_map<std::string, std::int64_t> packs;
  content::IterateOptions all;
  all.include_deleted = true;
  TRY(repository.contents().iterate(
          all,
          [&](const content::ContentInfo& i) -> Status {
            if (wanted(i.pack, prefix)) {
              packs[i.pack.text] += i.packed_length;
            }
            return {};
          },
          stop),
      "error iterating contents");
  const std::int64_t limit = repository.format().current()->max_pack_size * kShortPackPercent / 100;
  std::unordered_map<char, int> count;
  std::erase_if(packs, [&](const auto& p) { return p.second >= limit; });
  for (const auto& [name, bytes] : packs) {
    ++count[name.front()];
  }
  std::erase_if(packs, [&](const auto& p) { return count[p.first.front()] < 2; });
  return packs;
}

}  // namespace

Json RewriteStats::to_json() const {
  return Json::object({{"toRewriteContentCount", to_rewrite.count},
                       {"toRewriteContentSize", to_rewrite.bytes},
                       {"rewrittenContentCount", rewritten.count},
                       {"rewrittenContentSize", rewritten.bytes},
                       {"retainedContentCount", retained.count},
                       {"retainedContentSize", retained.bytes}});
}

Result<RewriteStats> rewrite_short_packs(repo::Repository& repository, const Safety& safety,
                                         const RewriteOptions& options, const Report& report, std::stop_token stop) {
  TRY_ASSIGN(const auto packs, short_packs(repository, options.pack_prefix, stop));
  RewriteStats stats;
  std::vector<content::ContentInfo> work;
  content::IterateOptions all;
  all.include_deleted = true;
  TRY(repository.contents().iterate(
          all,
          [&](const content::ContentInfo& i) -> Status {
            if (!packs.contains(i.pack.text)) {
              return {};
            }
            if (options.now - Timestamp::from_seconds(i.timestamp_seconds) < safety.rewrite_min_age) {
              stats.retained.add(i.packed_length);
              return {};
            }
            stats.to_rewrite.add(i.packed_length);
            work.push_back(i);
            return {};
          },
          stop),
      "error iterating contents");
  if (options.dry_run || work.empty()) {
    return stats;
  }
  // Neighbours in a pack are read one after the other.
  std::ranges::sort(work, [](const auto& a, const auto& b) {
    return a.pack.text != b.pack.text ? a.pack.text < b.pack.text : a.pack_offset < b.pack_offset;
  });
  std::mutex mutex;
  std::atomic<std::int64_t> done{0};
  TRY(parallel_for(work.size(), 2 * cpu_count(), stop, [&](std::size_t n, std::stop_token inner) -> Status {
    const content::ContentInfo& i = work[n];
    Status s = repository.contents().rewrite(i.id, inner);
    report.step("rewriting contents of short packs", ++done, static_cast<std::int64_t>(work.size()));
    const std::lock_guard lock(mutex);
    if (s.is(Code::corrupt) || s.is(Code::not_found)) {
      log::error("maintenance", "content {} stays in pack {}: {}", i.id.text(), i.pack.text, s.message());
      if (stats.problems.size() < kProblemsMax) {
        stats.problems.push_back(fmt::format("{} in {}: {}", i.id.text(), i.pack.text, s.message()));
      }
      stats.retained.add(i.packed_length);
      return {};
    }
    TRY(std::move(s), "error rewriting content {}", i.id.text());
    stats.rewritten.add(i.packed_length);
    return {};
  }));
  TRY(repository.contents().flush(stop), "error flushing");
  return stats;
}

}  // namespace cairn::maintenance
