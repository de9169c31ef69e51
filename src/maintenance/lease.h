// The right to delete, kept in the schedule blob. docs/design/maintenance.md
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "maintenance/schedule.h"

namespace cairn::maintenance {

// Every maintainer, ours or not, writes the schedule blob before it begins: who wrote it last is the maintainer. So a
// run that finds there what it did not write has been superseded, and one that slept too long does not know. Both are
// final for the run. Thread-safe.
class Lease {
 public:
  Lease(blob::Storage& storage, const format::FormatManager& format, const Clock& clock)
      : storage_(storage), format_(format), clock_(clock) {}

  // `schedule` has just been written by this run.
  void hold(const Schedule& schedule);
  // Before a task: reads the blob. Errors: failed_precondition (superseded); corrupt; the storage's.
  Status renew(std::stop_token stop);
  // Before a delete or a batch of them: reads the blob. Errors: failed_precondition (superseded, or suspended since the
  // last look); corrupt; the storage's.
  Status check(std::stop_token stop);
  // Before each delete of a batch: as check(), but a look of the last half minute is good enough.
  Status check_in_batch(std::stop_token stop);
  // False when `fresh`, read from the blob, is not what this run wrote last; then the lease is lost.
  bool still_held(const Schedule& fresh);

 private:
  Status renew_locked(std::stop_token stop);
  Status check_locked(Duration fresh_enough, std::stop_token stop);
  bool compare_locked(const Schedule& fresh);

  blob::Storage& storage_;
  const format::FormatManager& format_;
  const Clock& clock_;
  std::mutex mutex_;
  std::string written_;
  Buffer compared_;                     // stored bytes that said what was written; need no opening again
  Timestamp seen_ = Timestamp::zero();  // last time the lease was known to be held
  bool lost_ = false;
};

// A view of `storage` that looks at the lease before everything it removes. Both must outlive it.
std::unique_ptr<blob::Storage> make_fenced_storage(blob::Storage& storage, Lease& lease);

}  // namespace cairn::maintenance
