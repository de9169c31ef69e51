// The world of one simulation: virtual time, one storage, and clients of which exactly one runs at a time. Control goes
// from one client to another only inside storage calls and pauses, by a generator that the seed starts, so a seed gives
// the same run every time.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <semaphore>
#include <string>
#include <thread>
#include <vector>

#include "blob/forwarding.h"
#include "tests/support/gen.h"

namespace cairn::simulation {

// What the storage and the machines do beside working. Chances are one in so many storage calls; 0 = never.
struct Faults {
  std::uint64_t kill = 900;     // the process dies in the call
  std::uint64_t freeze = 1500;  // the process stands still for hours or days, then goes on
  std::uint64_t delay = 100;    // the call takes minutes
  std::uint64_t fail = 300;     // a change is refused, or done with its answer lost
  std::uint64_t torn = 600;     // half of a pack is stored, the answer is an error
  std::uint64_t stale = 8;      // a list lacks, or a get does not know, what others wrote in the last minute
  Duration freeze_max = hours(72);
};

class World final : public Clock {
 public:
  World(std::uint64_t seed, const Faults& faults);
  Timestamp now() const override { return {now_.load()}; }
  blob::Storage& storage() { return *storage_; }
  std::shared_ptr<blob::Storage> storage_ptr() { return storage_; }

  // Runs the clients' lives to their end. `life(number)` runs on a thread of its own.
  void run(unsigned clients, const std::function<void(unsigned)>& life);
  // The client stands still for `d`; others run.
  void pause(unsigned client, Duration d);
  std::uint64_t random(std::uint64_t below) { return below == 0 ? 0 : generator_() % below; }
  bool chance(std::uint64_t one_in) { return one_in != 0 && random(one_in) == 0; }
  const Faults& faults() const { return faults_; }
  // A number that depends on the seed, the time and `text` alone: for calls that several threads may make at once.
  std::uint64_t hash(std::string_view text) const;
  // Every change goes in; equal runs have equal traces.
  void trace(unsigned client, std::string_view what);
  std::uint64_t trace_hash() const { return trace_; }
  bool quiet = false;  // faults are off (checks between steps)

 private:
  void hand_over();
  const std::uint64_t seed_;
  const Faults faults_;
  test::SplitMix64 generator_;
  std::atomic<std::int64_t> now_;
  std::shared_ptr<blob::Storage> storage_;
  struct Client {
    Timestamp wakes{};
    bool done = false;
    std::binary_semaphore turn{0};
  };
  std::vector<std::unique_ptr<Client>> clients_;
  std::uint64_t trace_ = 0xcbf29ce484222325;
};

// One process of a client: its way to the storage, and its death.
class ProcessStorage final : public blob::ForwardingStorage {
 public:
  ProcessStorage(World& world, unsigned client)
      : ForwardingStorage(world.storage_ptr()), world_(world), client_(client) {}
  using Storage::put;
  Result<Buffer> get(const BlobId& id, blob::ByteRange range, std::stop_token stop) override;
  Result<blob::BlobMetadata> metadata(const BlobId& id, std::stop_token stop) override;
  Status list(std::string_view prefix, const blob::ListCallback& callback, std::stop_token stop) override;
  Result<blob::BlobMetadata> put(const BlobId& id, GatherView data, const blob::PutOptions& options,
                                 std::stop_token stop) override;
  Status remove(const BlobId& id, std::stop_token stop) override;
  bool dead() const { return dead_; }

 private:
  Status take_turn(std::string_view what);
  bool unseen(const blob::BlobMetadata& blob, std::string_view call);
  World& world_;
  const unsigned client_;
  std::atomic<bool> dead_{false};
  std::mutex mutex_;  // a process's own threads make changes one after another
  std::mutex written_mutex_;
  std::map<std::string, bool> written_;
};

// A client's own clock: wrong by `skew`.
class SkewedClock final : public Clock {
 public:
  explicit SkewedClock(const World& world) : world_(world) {}
  Timestamp now() const override { return world_.now() + skew; }
  Duration skew{};

 private:
  const World& world_;
};

}  // namespace cairn::simulation
