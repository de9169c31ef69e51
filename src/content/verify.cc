#include "content/verify.h"

#include <algorithm>
#include <mutex>
#include <set>
#include <unordered_map>

#include "base/random.h"
#include "base/task_group.h"
#include "content/pack_ranges.h"

namespace cairn::content {
namespace {

constexpr std::size_t kBatchMax = 64 * 1024;  // contents sorted together
constexpr std::uint32_t kRangeMax = 2u << 20;
constexpr std::size_t kDecodedMax = 512u << 10;

bool chosen(double percent) {
  if (percent >= 100) {
    return true;
  }
  constexpr std::uint64_t kSteps = 1'000'000'000;
  return percent > 0 && static_cast<double>(random_u64() % kSteps) < percent / 100 * static_cast<double>(kSteps);
}

class Verification {
 public:
  Verification(ContentManager& contents, const VerifyContentsOptions& options, const VerifyContentsCallbacks& callbacks,
               VerifyContentsResult& result)
      : contents_(contents), options_(options), callbacks_(callbacks), result_(result) {}

  Status run(std::stop_token stop) {
    TRY(list_packs(stop));
    if (callbacks_.on_start) {
      callbacks_.on_start();
    }
    const auto each = [&](const ContentInfo& info) -> Status {
      TRY_ASSIGN(const bool in_place, check_place(info, stop));
      count_one();
      if (in_place && chosen(options_.read_percent)) {
        to_read_.push_back(place_of(info, packs_, 0));
      }
      return to_read_.size() < kBatchMax ? Status() : read_batch(stop);
    };
    TRY(contents_.iterate(options_.range, each, stop), "error iterating contents");
    TRY(read_batch(stop));
    if (result_.error_count == 0) {
      return {};
    }
    return error(Code::corrupt,
                 "encountered {} errors: the repository is corrupted, it is missing pack blobs with index-referenced "
                 "content",
                 result_.error_count);
  }

 private:
  Status list_packs(std::stop_token stop) {
    std::int64_t count = 0;
    const auto add = [&](const blob::BlobMetadata& b) -> Status {
      ++count;
      if (b.id.starts_with("p") || b.id.starts_with("q")) {
        lengths_.emplace(b.id, b.length);
      }
      return {};
    };
    TRY(contents_.storage().list("", add, stop), "unable to list blobs");
    if (callbacks_.on_listed) {
      callbacks_.on_listed(count);
    }
    return {};
  }

  // Length of the pack, −1 when there is none. Packs written since the listing are asked for one by one.
  Result<std::int64_t> pack_length(const BlobId& pack, std::stop_token stop) {
    if (const auto it = lengths_.find(pack); it != lengths_.end()) {
      return std::int64_t{it->second};
    }
    const auto now = contents_.storage().metadata(pack, stop);
    if (!now.ok() && now.code() != Code::not_found) {
      return now.status();
    }
    return lengths_.emplace(pack, now.ok() ? now->length : -1).first->second;
  }

  Result<bool> check_place(const ContentInfo& info, std::stop_token stop) {
    TRY_ASSIGN(const std::int64_t length, pack_length(info.pack, stop));
    if (length < 0) {
      problem(fmt::format("content {} depends on missing blob {}", info.id.text(), info.pack.text), info.pack, missing_,
              result_.in_missing_packs);
      return false;
    }
    if (std::int64_t{info.pack_offset} + info.packed_length > length) {
      problem(fmt::format("content {} out of bounds of its pack blob {}", info.id.text(), info.pack.text), info.pack,
              truncated_, result_.in_truncated_packs);
      return false;
    }
    return true;
  }

  // In the order of the packs, with few requests.
  Status read_batch(std::stop_token stop) {
    RangeLimits limits = read_style(contents_.storage()).limits;
    limits.length_max = std::min(limits.length_max, kRangeMax);  // there are many readers
    limits.decoded_max = std::min(limits.decoded_max, kDecodedMax);
    const auto ranges = merge_into_ranges(to_read_, limits);
    TRY(parallel_for(ranges.size(), std::max(1U, options_.parallel), stop, [&](std::size_t i, std::stop_token inner) {
      const auto each = [&](std::size_t place, const Buffer* content) -> Status {
        if (content == nullptr) {
          return read_alone(to_read_[place], inner);
        }
        const std::lock_guard lock(mutex_);
        ++result_.read_contents;
        return {};
      };
      return read_range(contents_, packs_, to_read_, ranges[i], limits, each, inner);
    }));
    to_read_.clear();
    return {};
  }

  Status read_alone(const ContentPlace& place, std::stop_token stop) {
    const auto bytes = contents_.read(place.id, stop);
    if (!bytes.ok() && bytes.code() != Code::corrupt && bytes.code() != Code::not_found) {
      return bytes.status();  // no answer from the storage: nothing is known about the content
    }
    {
      const std::lock_guard lock(mutex_);
      ++result_.read_contents;  // whatever came of it
    }
    if (bytes.ok()) {
      return {};
    }
    problem(fmt::format("content {} is invalid: {}", place.id.text(), bytes.status().message()),
            BlobId(packs_.name(place.pack)), corrupted_, result_.unreadable);
    return {};
  }

  void problem(const std::string& line, const BlobId& pack, std::set<BlobId>& packs, std::int64_t& counter) {
    const std::lock_guard lock(mutex_);
    packs.insert(pack);
    ++counter;
    ++result_.error_count;
    result_.missing_packs = std::ssize(missing_);
    result_.truncated_packs = std::ssize(truncated_);
    result_.corrupted_packs = std::ssize(corrupted_);
    if (callbacks_.on_error) {
      callbacks_.on_error(line);
    }
  }

  void count_one() {
    const std::lock_guard lock(mutex_);
    ++result_.verified_contents;
    if (callbacks_.on_progress) {
      callbacks_.on_progress(result_);
    }
  }

  ContentManager& contents_;
  const VerifyContentsOptions& options_;
  const VerifyContentsCallbacks& callbacks_;
  PackTable packs_;
  std::vector<ContentPlace> to_read_;
  std::unordered_map<BlobId, std::int64_t> lengths_;  // of packs, −1 = missing
  std::mutex mutex_;
  VerifyContentsResult& result_;  // guarded by mutex_
  std::set<BlobId> missing_, truncated_, corrupted_;
};

}  // namespace

Json VerifyContentsResult::to_json() const {
  return Json::object({{"verifiedContents", verified_contents},
                       {"totalErrorCount", error_count},
                       {"contentsInMissingPacks", in_missing_packs},
                       {"contentsInTruncatedPacks", in_truncated_packs},
                       {"unreadableContents", unreadable},
                       {"readContents", read_contents},
                       {"missingPacks", missing_packs},
                       {"truncatedPacks", truncated_packs},
                       {"corruptedPacks", corrupted_packs}});
}

Status verify_contents(ContentManager& contents, const VerifyContentsOptions& options,
                       const VerifyContentsCallbacks& callbacks, VerifyContentsResult& result, std::stop_token stop) {
  return Verification(contents, options, callbacks, result).run(stop);
}

}  // namespace cairn::content
