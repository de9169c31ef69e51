#include "maintenance/rewrite.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>

#include "base/log.h"
#include "base/task_group.h"

namespace cairn::maintenance {
namespace {

constexpr std::int64_t kShortPackPercent = 60;  // of the largest pack size
constexpr std::size_t kProblemsMax = 100;
constexpr std::int64_t kProgressEvery = 4096;

bool wanted(const BlobId& pack, const std::string& prefix) { return prefix.empty() || pack.starts_with(prefix); }

// Bytes by pack; 0 for those that stay: long ones, and those that are the only short one of their letter, for nothing
// would be gained.
Result<PackTable> short_packs(repo::Repository& repository, const std::string& prefix, const Report& report,
                              std::stop_token stop) {
  PackTable packs;
  content::IterateOptions all;
  all.include_deleted = true;
  std::int64_t seen = 0;
  const auto total = static_cast<std::int64_t>(repository.contents().count());
  TRY(repository.contents().iterate(
          all,
          [&](const content::ContentInfo& i) -> Status {
            if (++seen % kProgressEvery == 0) {
              report.step("looking for short packs", seen, std::max(seen, total));
            }
            if (wanted(i.pack, prefix)) {
              packs[i.pack.text] += i.packed_length;
            }
            return {};
          },
          stop),
      "error iterating contents");
  const std::int64_t limit = repository.format().current()->max_pack_size * kShortPackPercent / 100;
  std::map<char, int> count;
  packs.for_each([&](char letter, std::int64_t& bytes) {
    bytes = bytes < limit ? bytes : 0;
    count[letter] += bytes > 0 ? 1 : 0;
  });
  packs.for_each([&](char letter, std::int64_t& bytes) { bytes = count[letter] < 2 ? 0 : bytes; });
  return packs;
}

// What is to be rewritten, ordered so that neighbours in a pack are read one after the other: a number for the pack,
// the offset, the content's id.
class WorkList {
 public:
  WorkList(const content::ContentManager& contents, const MemoryBudget& budget)
      : hash_size_(contents.crypto().hasher().size()),
        sorter_(kHead + 1 + hash_size_, budget.per_set(), contents.scratch_directory()) {}
  Status add(const content::ContentInfo& i) {
    Byte record[kHead + 1 + kHashSizeMax];
    store_be64(record, std::hash<std::string>()(i.pack.text));
    store_be32(record + 8, i.pack_offset);
    record[kHead] = i.id.prefix;
    std::memcpy(record + kHead + 1, i.id.hash.data(), hash_size_);
    return sorter_.add(ByteView{record, kHead + 1 + hash_size_});
  }
  Result<sys::SortedRecords> finish() { return sorter_.finish(); }
  static ContentId id_of(ByteView record) { return content_id_of(record.subspan(kHead)); }

 private:
  static constexpr std::size_t kHead = 12;
  std::size_t hash_size_;
  sys::RecordSorter sorter_;
};

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
  TRY_ASSIGN(const PackTable packs, short_packs(repository, options.pack_prefix, report, stop));
  RewriteStats stats;
  WorkList list(repository.contents(), options.memory);
  content::IterateOptions all;
  all.include_deleted = true;
  TRY(repository.contents().iterate(
          all,
          [&](const content::ContentInfo& i) -> Status {
            const std::int64_t* bytes = packs.find(i.pack.text);
            if (bytes == nullptr || *bytes == 0) {
              return {};
            }
            if (options.now - Timestamp::from_seconds(i.timestamp_seconds) < safety.rewrite_min_age) {
              stats.retained.add(i.packed_length);
              return {};
            }
            stats.to_rewrite.add(i.packed_length);
            return list.add(i);
          },
          stop),
      "error iterating contents");
  TRY_ASSIGN(const sys::SortedRecords work, list.finish());
  if (options.dry_run || work.size() == 0) {
    return stats;
  }
  std::mutex mutex;
  std::atomic<std::int64_t> done{0};
  TRY(parallel_for(work.size(), 2 * cpu_count(), stop, [&](std::size_t n, std::stop_token inner) -> Status {
    const ContentId id = WorkList::id_of(work[n]);
    auto info = repository.contents().info(id, inner);
    Status s = info.ok() ? repository.contents().rewrite(id, inner) : std::move(info).status();
    report.step("rewriting contents of short packs", ++done, static_cast<std::int64_t>(work.size()));
    const std::int64_t length = info.ok() ? info->packed_length : 0;
    const std::lock_guard lock(mutex);
    if (s.is(Code::corrupt) || s.is(Code::not_found)) {
      const std::string pack = info.ok() ? info->pack.text : "no pack";
      log::error("maintenance", "content {} stays in {}: {}", id.text(), pack, s.message());
      if (stats.problems.size() < kProblemsMax) {
        stats.problems.push_back(fmt::format("{} in {}: {}", id.text(), pack, s.message()));
      }
      stats.retained.add(length);
      return {};
    }
    TRY(std::move(s), "error rewriting content {}", id.text());
    stats.rewritten.add(length);
    return {};
  }));
  TRY(repository.contents().flush(stop), "error flushing");
  return stats;
}

}  // namespace cairn::maintenance
