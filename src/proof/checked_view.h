// A view of a repository without those of its index blobs that cannot be read.
#pragma once

#include <string>
#include <vector>

#include "proof/patched_storage.h"
#include "proof/view.h"

namespace cairn::proof {

struct CheckedView {
  struct BadIndex {
    BlobId id;
    std::string why;
  };
  View view;                                    // indexes loaded
  std::vector<blob::BlobMetadata> index_blobs;  // in force, read from the storage and good
  std::vector<BadIndex> bad;
  std::int64_t bytes_read = 0;
};

// Reads every index blob in force from the storage; what another one of an older form says takes the place of one that
// cannot be read, as if it were gone. Errors: the storage's.
Result<CheckedView> open_checked_view(repo::Repository& repository, std::shared_ptr<blob::Storage> storage,
                                      unsigned parallel, std::stop_token stop);

}  // namespace cairn::proof
