// Getting back from a copy (made by `repository sync-to`) what a repository has lost. docs/design/proof.md
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "proof/patched_storage.h"
#include "proof/verify.h"

namespace cairn::proof {

struct HealOptions {
  bool full = false;     // find damage by reading every pack, not by the listing alone
  bool dry_run = false;  // nothing is written
  // A format blob that is there but does not open with the password is replaced by the copy's, which does. It cannot be
  // told from a password that was changed after the copy was made.
  bool replace_format = false;
  unsigned parallel = 4;
};

enum class HealOutcome : unsigned char {
  healed,       // fetched, checked, stored
  would_heal,   // fetched and checked; a dry run
  good_by_now,  // nothing to do any more
  not_in_copy,
  copy_damaged,  // what the copy has does not pass the check either
};
std::string_view outcome_name(HealOutcome outcome);  // "healed", "would heal", …

struct HealAction {
  BlobId blob;
  std::string reason;  // what was wrong with ours
  HealOutcome outcome{};
  std::string detail;  // why it could not be healed
  std::int64_t bytes = 0;
};
using OnHeal = std::function<void(const HealAction&)>;  // one call at a time

// The format blob and `kopia.blobcfg`, without which nothing opens. First of all: is the copy one of the same
// repository? By the unique id, or, where our format blob is gone, by its keys opening something of ours. What was
// healed is also in `patched`, for a dry run. Errors: failed_precondition (another repository, no proof that it is the
// same, no usable format blob in the copy), unauthenticated; the storages'.
Status heal_format(blob::Storage& ours, blob::Storage& copy, std::string_view password, const HealOptions& options,
                   PatchedStorage& patched, const OnHeal& on_heal, std::stop_token stop);

// All else that something refers to: index blobs, markers of epochs, packs. `repository` was opened with deferred
// indexes, after heal_format(). Each blob is fetched, every content in it authenticated, and only then stored; packs
// before the indexes that name them. A blob that is good is never replaced, and one that was deleted rightly does not
// come back. May be ended at any point and run again. Returns what is still damaged (by the listing). Errors: the
// storages'.
Result<VerifyReport> heal_blobs(repo::Repository& repository, blob::Storage& copy, const HealOptions& options,
                                const VerifyCallbacks& callbacks, const OnHeal& on_heal, std::stop_token stop);

}  // namespace cairn::proof
