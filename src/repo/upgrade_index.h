// From the index blobs of format 1 to epochs. docs/format/epochs.md
#pragma once

#include "repo/repository.h"

namespace cairn::repo {

inline constexpr int kUpgradedIndexVersion = 2;
// Stands beside the legacy index after an upgrade: a program of format 1 takes it for an index blob, and cannot read
// it.
inline constexpr std::string_view kPoisonBlobId =
    "n00000000000000000000000000000000-repository_unreadable_by_this_kopia_version_upgrade_required";

// Writes every entry of the legacy index into epoch 0. The legacy blobs stay; they count until the format says epochs.
// What an earlier attempt left goes first: its entries may have died since, and must not come back.
// Errors: failed_precondition (the format says epochs already); corrupt; the storage's.
Status copy_index_to_epochs(Repository& repository, const format::EpochParameters& epochs, int index_version,
                            std::stop_token stop);
// Deletes the index blobs of epochs where the format stored says that epochs are not used.
// Errors: failed_precondition when they are; the storage's.
Status remove_unused_epochs(Repository& repository, std::stop_token stop);

}  // namespace cairn::repo
