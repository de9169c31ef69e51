// From the index blobs of format 1 to epochs. docs/format/epochs.md
#pragma once

#include "repo/repository.h"

namespace cairn::repo {

// Writes every entry of the legacy index into epoch 0. The legacy blobs stay; they count until the format says epochs.
// Errors: corrupt, the storage's.
Status copy_index_to_epochs(Repository& repository, const format::EpochParameters& epochs, int index_version,
                            std::stop_token stop);

}  // namespace cairn::repo
