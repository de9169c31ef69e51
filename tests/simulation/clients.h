// The clients of a history and what they do: back up, expire, delete, maintain, take over, restore.
#pragma once

#include "tests/simulation/history.h"

namespace cairn::simulation {

inline constexpr std::size_t kFiles = 5;
inline constexpr std::uint64_t kVersions = 4;  // few, so that contents long unused come back
inline constexpr unsigned kNoClient = ~0U;

// One process of a client, of either kind.
struct Process {
  unsigned client = 0;
  std::shared_ptr<ProcessStorage> storage;
  std::unique_ptr<repo::Repository> ours;
  std::unique_ptr<KopiaProcess> kopia;

  content::ContentManager& contents() { return ours ? ours->contents() : kopia->contents(); }
  object::ObjectManager& objects() { return ours ? ours->objects() : kopia->objects(); }
  manifest::ManifestManager& manifests() { return ours ? ours->manifests() : kopia->manifests(); }
  Status flush() { return ours ? ours->flush({}) : kopia->flush(); }
};

class Clients {
 public:
  // `kopia`: the client that is Kopia's kind, or kNoClient. `tell_marks`: contents are looked up when they are used.
  Clients(World& world, Oracle& oracle, Outcome& outcome, unsigned count, unsigned kopia, bool tell_marks);

  Result<Process> start(unsigned client);
  unsigned count() const { return count_; }
  unsigned kopia() const { return kopia_; }
  SkewedClock& clock(unsigned client) { return *clocks_.at(client); }
  static std::string identity(unsigned client) { return "user@host" + std::to_string(client); }
  static snapshot::SourceInfo source_of(std::uint64_t n) { return {"host" + std::to_string(n), "user", "/data"}; }
  // What is on the client's machine.
  Versions& files(unsigned client) { return files_[client]; }

  // Files that did not change are taken over from the previous snapshot unread; whatever takes long is saved as a
  // checkpoint. `pause` comes after every file.
  Status backup(Process& p, const std::function<Duration()>& pause);
  Status expire(Process& p, const snapshot::SourceInfo& source);
  // One snapshot of all, or the oldest of a source.
  Status remove_one(Process& p, const std::optional<snapshot::SourceInfo>& source);
  // `standing`: how long a collection by Kopia's rules stands still between its walk and its marks.
  Status maintain(Process& p, bool full, Duration standing = {});
  Status take_over(Process& p);
  // Every complete snapshot, file by file.
  Status restore(Process& p, const std::function<Duration()>& pause);
  // Set when a step broke a rule that a look at the storage does not show.
  Violation broken;

 private:
  struct Saving;
  Result<object::ObjectId> store(Process& p, ByteView data, char prefix, std::set<ContentId>& marked);
  Status save(Process& p, snapshot::SnapshotManifest m, const std::vector<snapshot::DirEntry>& files,
              const std::string& incomplete, Saving& saving);
  void watch_lease(Process& p);

  World& world_;
  Oracle& oracle_;
  Outcome& outcome_;
  const unsigned count_, kopia_;
  const bool tell_marks_;
  std::vector<std::unique_ptr<SkewedClock>> clocks_;
  std::vector<Versions> files_;
  KopiaCache kopia_cache_;
};

// A script: what which client does when. Runs in the order of the times.
struct Event {
  unsigned client = 0;
  Duration at{};
  std::function<Status(Process&)> action;
};
struct Script {
  unsigned clients = 2, kopia = kNoClient, owner = 0;
  std::vector<Event> events;
};
// Steers a history to where the mistake would do harm.
Script script_of(Mistake mistake, World& world, const std::function<Clients&()>& clients);

}  // namespace cairn::simulation
