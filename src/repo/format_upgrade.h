// Bringing a repository that others use to the newest format, under the upgrade lock. docs/format/repository.md
// (kopia-format §3.8)
#pragma once

#include <functional>
#include <string>

#include "repo/repository.h"

namespace cairn::repo {

// Steps of one upgrade, in order. Each may be repeated after a crash; the lock says who goes on.

// Keeps the former format blob as kopia.repository.backup.<owner> and announces the upgrade. A lock of the same owner
// that is there already stays, or moves to a later time if `lock` says one. Errors: failed_precondition (someone else's
// lock, an earlier time); conflict (the format changed meanwhile).
Status place_upgrade_lock(Repository& repository, const format::UpgradeLock& lock, std::stop_token stop);
// Waits until every other client must have seen the lock and ended its writes; looks at the lock again at each of its
// polls. Errors: failed_precondition (the lock is gone or someone else's), cancelled.
Status wait_for_drained_writers(Repository& repository, const std::string& owner,
                                const std::function<void(Duration left)>& waiting, std::stop_token stop);
// Epochs and the second index version, if the repository has them not.
Status upgrade_indexes(Repository& repository, std::stop_token stop);
// Lets everybody in again. Programs that know the former format only are kept out by an index blob they cannot read.
Status commit_upgrade(Repository& repository, std::stop_token stop);
// What a commit that was killed at its end left; nothing while the repository is locked.
Status remove_upgrade_backups(Repository& repository, std::stop_token stop);

// Undoes an upgrade that was not committed. Errors: failed_precondition (no upgrade, someone else's); not_found (no
// backup).
Status rollback_upgrade(Repository& repository, const std::string& owner, std::stop_token stop);

// The index of format 1 beside the one in force.
struct IndexComparison {
  std::int64_t former = 0;   // entries
  std::int64_t missing = 0;  // of them, those that are not in force
  std::int64_t other = 0;    // … and those with another place or size, and not because they are newer
  bool equal() const { return missing == 0 && other == 0; }
};
// Errors: failed_precondition (no epochs yet); corrupt; the storage's.
Result<IndexComparison> compare_indexes(Repository& repository, std::stop_token stop);

// The lock of a repository that may be locked for us, "" when there is none. Errors: those of opening.
Result<std::string> upgrade_lock_owner(const std::string& config_path, std::string_view password, std::stop_token stop);

}  // namespace cairn::repo
