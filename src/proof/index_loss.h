// Which index blobs and epoch markers of a copy the repository has lost, and not deleted. docs/design/proof.md
#pragma once

#include <vector>

#include "blob/storage.h"

namespace cairn::proof {

// By name alone. A compacted or uncompacted index blob is lost when no complete compacted set of ours covers its
// epochs: only then may such blobs be deleted. Markers only go up, so a later one in the copy is lost here. `sets` are
// to be taken as a whole or not at all; the caller looks into them whether we know their entries by other blobs.
struct IndexLoss {
  std::vector<std::vector<blob::BlobMetadata>> sets;
  std::vector<blob::BlobMetadata> markers;
};
IndexLoss find_index_loss(const std::vector<blob::BlobMetadata>& ours, const std::vector<blob::BlobMetadata>& copy);

}  // namespace cairn::proof
