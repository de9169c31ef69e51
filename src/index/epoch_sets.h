// What the names of index blobs say: epochs, ranges, complete sets. Pure functions. docs/format/epochs.md
// (kopia-format §9.1, 9.2, 9.3, 9.7)
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "blob/storage.h"
#include "format/repository_format.h"

namespace cairn::index {

inline constexpr std::string_view kEpochMarkerPrefix = "xe";
inline constexpr std::string_view kUncompactedPrefix = "xn";
inline constexpr std::string_view kSinglePrefix = "xs";
inline constexpr std::string_view kRangePrefix = "xr";
inline constexpr std::string_view kWatermarkPrefix = "xw";
// Every blob of the epoch scheme and none else.
inline constexpr std::string_view kEpochBlobsPrefix = "x";

// Epoch of an xe, xn or xs blob; nullopt when the name does not parse.
std::optional<std::int64_t> epoch_of(std::string_view id);
struct EpochRange {
  std::int64_t min = 0, max = 0;
  auto operator<=>(const EpochRange&) const = default;
};
std::optional<EpochRange> range_of(std::string_view id);
std::optional<Timestamp> watermark_of(std::string_view id);

// Every complete set among the blobs of one epoch or range, in the order in which they become complete.
std::vector<std::vector<blob::BlobMetadata>> complete_sets(const std::vector<blob::BlobMetadata>& blobs);

// The blobs of sets that lack some, set by set. `blobs` may be of many epochs and ranges.
std::vector<std::vector<blob::BlobMetadata>> incomplete_sets(const std::vector<blob::BlobMetadata>& blobs);

// Contiguous chain from epoch 0 that reaches farthest; of those the shortest.
std::vector<EpochRange> longest_chain(std::vector<EpochRange> ranges);

// May the epoch that holds these xn blobs end? (kopia-format §9.7)
bool should_advance(const std::vector<blob::BlobMetadata>& uncompacted, const format::EpochParameters& parameters);
inline bool is_settled(std::int64_t epoch, std::int64_t write_epoch) { return epoch <= write_epoch - 2; }

}  // namespace cairn::index
