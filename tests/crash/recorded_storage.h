// Remembers every change of a storage, so that the storage can be had as it was at any moment.
#pragma once

#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "blob/forwarding.h"
#include "tests/support/test_repository.h"

namespace cairn::test {

// In the order in which the changes took effect.
struct Change {
  bool put = false;  // else: remove
  BlobId id{};
  std::shared_ptr<const Bytes> bytes{};
  Timestamp time{};
  std::size_t begun_after = 0;  // number of changes that had taken effect when this one began
};

class RecordedStorage final : public blob::ForwardingStorage {
 public:
  RecordedStorage(std::shared_ptr<blob::Storage> inner, const Clock& clock)
      : ForwardingStorage(std::move(inner)), clock_(clock) {}
  using Storage::put;
  Result<blob::BlobMetadata> put(const BlobId& id, GatherView data, const blob::PutOptions& options,
                                 std::stop_token stop) override;
  Status remove(const BlobId& id, std::stop_token stop) override;
  std::vector<Change> changes() const;

 private:
  std::size_t begin() const;
  const Clock& clock_;
  mutable std::mutex mutex_;
  std::vector<Change> changes_;
};

// A storage in memory after the given changes, with their times.
class Replay {
 public:
  Replay();
  Status apply(const Change& change);
  std::shared_ptr<blob::Storage> storage() { return storage_; }
  FakeClock& clock() { return clock_; }

 private:
  FakeClock clock_;
  std::shared_ptr<blob::Storage> storage_;
};

// What a process that dies leaves: the first `cut` changes, and beside them maybe one that was under way.
struct CrashPoint {
  std::string name;
  std::size_t cut = 0;
  std::optional<Change> extra{};
  bool torn = false;  // `extra` has only half of its bytes: no store that keeps its promises leaves such
};
// All of changes [from, to].
std::vector<CrashPoint> crash_points(const std::vector<Change>& changes, std::size_t from, std::size_t to);

}  // namespace cairn::test
