// The world of one simulation: virtual time, one storage, and clients of which exactly one runs at a time. Control goes
// from one client to another only inside storage calls and pauses, by a generator that the seed starts, so a seed gives
// the same run every time.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <semaphore>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "blob/forwarding.h"
#include "tests/support/gen.h"

namespace cairn::simulation {

// What the storage and the machines do beside working. Chances are one in so many storage calls; 0 = never.
struct Faults {
  std::uint64_t kill = 1500;    // the process dies in the call
  std::uint64_t freeze = 2500;  // the process stands still for hours or days, then goes on
  std::uint64_t delay = 150;    // the call takes minutes
  std::uint64_t fail = 400;     // a change is refused, or done with its answer lost, or done minutes after that answer
  std::uint64_t torn = 600;     // half of a pack is stored, the answer is an error
  std::uint64_t lost = 5000;    // a pack or index blob is not stored, the answer is success
  std::uint64_t twice = 4;      // a delete arrives again, at once or up to a day later
  std::uint64_t stale = 8;      // a list or get is as old as a minute where others changed something
  std::uint64_t jump = 4000;    // the client's clock jumps
  Duration freeze_max = hours(72);
};

enum class Call { get, list, put, remove };

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
  // A number that depends on the seed, the time and `text` alone.
  std::uint64_t hash(std::string_view text) const;
  // Every call goes in; equal runs have equal traces.
  void trace(unsigned client, std::string_view what);
  std::uint64_t trace_hash() const { return trace_; }
  // The client that is running in this moment.
  unsigned running() const { return running_; }

  // The next such call of the client stands still for `d`, whatever the chances say.
  void freeze_at(unsigned client, Call call, std::string prefix, Duration d);
  std::optional<Duration> take_freeze(unsigned client, Call call, std::string_view id);
  // `change` happens `after` from now, whoever is running then.
  void later(Duration after, std::function<void()> change);

  // What happened to blobs; for the oracle. `changes` counts all of it.
  std::uint64_t changes = 0;
  struct Change {
    Timestamp time;
    unsigned client = 0;
  };
  std::map<std::string, Change> removed;   // packs and index blobs
  std::map<std::string, Change> in_place;  // who last wrote a blob that is rewritten in place
  std::set<std::string> lost;              // reported as stored and not there
  std::map<std::string, Buffer> former;    // the bytes that a blob rewritten in place had before
  bool quiet = false;                      // faults are off (checks between steps)

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
  unsigned running_ = 0;
  struct Freeze {
    unsigned client;
    Call call;
    std::string prefix;
    Duration length;
  };
  std::vector<Freeze> freezes_;
  std::multimap<Timestamp, std::function<void()>> later_;
  std::uint64_t trace_ = 0xcbf29ce484222325;
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

// One process of a client: its way to the storage, and its death.
class ProcessStorage final : public blob::ForwardingStorage {
 public:
  ProcessStorage(World& world, unsigned client, SkewedClock& clock)
      : ForwardingStorage(world.storage_ptr()),
        world_(world),
        client_(client),
        clock_(clock),
        freeze_left_(world.faults().freeze_max) {}
  using Storage::put;
  Result<Buffer> get(const BlobId& id, blob::ByteRange range, std::stop_token stop) override;
  Result<blob::BlobMetadata> metadata(const BlobId& id, std::stop_token stop) override;
  Status list(std::string_view prefix, const blob::ListCallback& callback, std::stop_token stop) override;
  Result<blob::BlobMetadata> put(const BlobId& id, GatherView data, const blob::PutOptions& options,
                                 std::stop_token stop) override;
  Status remove(const BlobId& id, std::stop_token stop) override;
  // Longer than this in all the process does not stand still.
  void set_freeze_max(Duration d) { freeze_left_ = d; }
  bool dead() const { return dead_; }
  bool clock_jumped() const { return clock_jumped_; }
  // A change of this process was reported as done and is not.
  bool was_deceived() const { return deceived_; }
  // The blob that the last failed get asked for.
  const std::string& last_missing() const { return last_missing_; }
  // Asked before each delete of a pack or an index blob is sent.
  std::function<void(const BlobId&)> before_remove;

 private:
  Status take_turn(Call call, std::string_view what);
  bool unseen(const blob::BlobMetadata& blob, std::string_view call);
  Result<blob::BlobMetadata> apply_put(const BlobId& id, GatherView data, const blob::PutOptions& options,
                                       std::stop_token stop);
  Status apply_remove(const BlobId& id, std::stop_token stop);
  World& world_;
  const unsigned client_;
  SkewedClock& clock_;
  Duration freeze_left_;
  std::atomic<bool> dead_{false};
  bool deceived_ = false, clock_jumped_ = false;
  std::string last_missing_;
  std::mutex mutex_;  // a process's own threads make their calls one after another
  std::set<std::string> written_;
};

}  // namespace cairn::simulation
