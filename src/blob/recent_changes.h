// What this process changed in a store lately: so that no key is written twice within a second, and a listing that does
// not know of it yet is noticed.
#pragma once

#include <map>
#include <stop_token>
#include <string>
#include <vector>

#include "base/guarded.h"
#include "base/ids.h"
#include "base/time.h"

namespace cairn::blob {

// Thread-safe. Remembers the last 10,000 changes of the last ten minutes.
class RecentChanges {
 public:
  explicit RecentChanges(Duration rewrite_distance = seconds(1)) : rewrite_distance_(rewrite_distance) {}
  // Waits until the last write of that id is `rewrite_distance` old, and notes a new one. False when stopped.
  bool wait_to_write(const BlobId& id, std::stop_token stop);
  void written(const BlobId& id) { note(id, true); }
  void removed(const BlobId& id) { note(id, false); }

  struct Change {
    BlobId id;
    bool present = false;
  };
  // Of ids with that prefix.
  std::vector<Change> changes(std::string_view prefix);

 private:
  struct Entry {
    std::int64_t at_ns = 0, write_started_ns = 0;
    bool known = false, present = false;
  };
  void note(const BlobId& id, bool present);
  void prune(std::map<std::string, Entry, std::less<>>& entries);
  const Duration rewrite_distance_;
  Guarded<std::map<std::string, Entry, std::less<>>> entries_;
};

}  // namespace cairn::blob
