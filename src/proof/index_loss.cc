#include "proof/index_loss.h"

#include <algorithm>
#include <map>
#include <set>

#include "index/epoch_sets.h"

namespace cairn::proof {
namespace {

using blob::BlobMetadata;
using index::EpochRange;
using Sets = std::map<EpochRange, std::vector<BlobMetadata>>;

// Compacted blobs by the epochs they cover.
Sets compacted(const std::vector<BlobMetadata>& blobs) {
  Sets out;
  for (const BlobMetadata& b : blobs) {
    if (b.id.starts_with(index::kSinglePrefix)) {
      if (const auto epoch = index::epoch_of(b.id.text)) {
        out[{*epoch, *epoch}].push_back(b);
      }
    } else if (b.id.starts_with(index::kRangePrefix)) {
      if (const auto range = index::range_of(b.id.text)) {
        out[*range].push_back(b);
      }
    }
  }
  return out;
}

// Every epoch of the range lies in a complete set.
bool covered(const EpochRange& range, const std::vector<EpochRange>& complete) {
  for (std::int64_t epoch = range.min; epoch <= range.max; ++epoch) {
    const auto it =
        std::ranges::find_if(complete, [&](const EpochRange& r) { return r.min <= epoch && epoch <= r.max; });
    if (it == complete.end()) {
      return false;
    }
    epoch = it->max;
  }
  return true;
}

template <class Number>
void find_markers(std::string_view prefix, Number number, const std::vector<BlobMetadata>& ours,
                  const std::vector<BlobMetadata>& copy, std::vector<BlobMetadata>& out) {
  decltype(number(std::string_view())) latest;
  for (const BlobMetadata& b : ours) {
    if (b.id.starts_with(prefix)) {
      latest = std::max(latest, number(b.id.text));
    }
  }
  for (const BlobMetadata& b : copy) {
    if (b.id.starts_with(prefix) && number(b.id.text) > latest) {
      out.push_back(b);
    }
  }
}

}  // namespace

IndexLoss find_index_loss(const std::vector<BlobMetadata>& ours, const std::vector<BlobMetadata>& copy) {
  std::set<BlobId> here;
  for (const BlobMetadata& b : ours) {
    here.insert(b.id);
  }
  std::vector<EpochRange> complete;
  for (const auto& [range, blobs] : compacted(ours)) {
    if (!index::complete_sets(blobs).empty()) {
      complete.push_back(range);
    }
  }
  IndexLoss out;
  const auto consider = [&](const EpochRange& range, const std::vector<BlobMetadata>& set) {
    if (covered(range, complete)) {
      return;
    }
    std::vector<BlobMetadata> missing;
    std::ranges::copy_if(set, std::back_inserter(missing), [&](const BlobMetadata& b) { return !here.contains(b.id); });
    if (!missing.empty()) {
      out.sets.push_back(std::move(missing));
    }
  };
  for (const BlobMetadata& b : copy) {
    if (const auto epoch = index::epoch_of(b.id.text); epoch && b.id.starts_with(index::kUncompactedPrefix)) {
      consider({*epoch, *epoch}, {b});
    }
  }
  for (const auto& [range, blobs] : compacted(copy)) {
    for (const auto& set : index::complete_sets(blobs)) {
      consider(range, set);
    }
  }
  find_markers(index::kEpochMarkerPrefix, index::epoch_of, ours, copy, out.markers);
  find_markers(index::kWatermarkPrefix, index::watermark_of, ours, copy, out.markers);
  return out;
}

}  // namespace cairn::proof
