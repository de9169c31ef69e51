// A listing, one blob name a line: names are parsed and grouped into sets and chains.
#include <string_view>

#include "index/epoch_sets.h"

using namespace cairn;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  std::vector<blob::BlobMetadata> blobs;
  std::vector<index::EpochRange> ranges;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    blobs.push_back({BlobId(line), 1, Timestamp::from_seconds(1)});
    (void)index::epoch_of(line);
    (void)index::watermark_of(line);
    if (const auto range = index::range_of(line)) {
      ranges.push_back(*range);
    }
  }
  std::size_t used = 0;
  for (const auto& set : index::complete_sets(blobs)) {
    CHECK(!set.empty());
    used += set.size();
  }
  CHECK(used <= blobs.size());
  std::int64_t next = 0;
  for (const index::EpochRange& r : index::longest_chain(ranges)) {
    CHECK(r.min == next && r.max >= r.min);
    next = r.max + 1;
  }
  return 0;
}
