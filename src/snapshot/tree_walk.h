// Reading stored directories piece by piece, and visiting every object of many trees once. (kopia-model §10.1)
#pragma once

#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "object/object_manager.h"
#include "snapshot/directory.h"
#include "snapshot/types.h"

namespace cairn::snapshot {

// Entries of a directory object in stored order while it is being read; memory does not grow with the directory.
// Errors: "unable to open object: <id>: …" (not_found, corrupt), the parser's, the callback's.
Result<Summary> for_each_child(object::ObjectManager& objects, const object::ObjectId& directory,
                               const DirectoryParser::OnEntry& on_entry, DirectoryReadOptions options,
                               std::stop_token stop);
// The last entry with this name. Errors: not_found "entry not found".
Result<DirEntry> find_child(object::ObjectManager& objects, const object::ObjectId& directory, std::string_view name,
                            DirectoryReadOptions options, std::stop_token stop);

// What went wrong when an object was opened or read, in Kopia's words: a content that no index knows, a blob that is
// gone, or damage (the status as it is, which names content and blob). Without the object's own id in front.
Status explain_object_error(object::ObjectManager& objects, const object::ObjectId& id, Status status,
                            std::stop_token stop);

DirEntryView view_of(const DirEntry& entry);

// Set of object ids at 16 bytes each (hashes are keyed and at least 128 bits long, so a prefix identifies).
// Thread-safe.
class ObjectIdSet {
 public:
  // True when it was not in the set.
  bool insert(const object::ObjectId& id);
  bool contains(const object::ObjectId& id) const;
  std::size_t size() const;

 private:
  struct Key {
    std::uint64_t a = 0, b = 0;  // both 0: free slot
    bool operator==(const Key&) const = default;
  };
  static Key key_of(const object::ObjectId& id);
  void grow();
  mutable std::mutex mutex_;
  std::vector<Key> slots_;
  std::size_t used_ = 0;
};

class TreeWalker {
 public:
  struct Options {
    unsigned parallel = 0;        // 0 = 4 × CPUs
    std::int64_t max_errors = 0;  // 0 = 1 (stop at the first); negative: never stop
    // Called for every error, by any thread, one at a time.
    std::function<void(const std::string& path, const Status& status)> on_error;
    // Objects of a single content that are no directories are visited as often as directories hold them: nothing is
    // remembered of them.
    bool forget_plain = false;
  };
  // Called once per object (but see forget_plain) by any thread; `path` is the root's path plus the names below it.
  // When it fails, a directory is not entered.
  using OnEntry = std::function<Status(const DirEntryView& entry, const std::string& path, std::stop_token stop)>;

  struct Root {
    std::string path;
    DirEntry entry;
  };

  TreeWalker(object::ObjectManager& objects, Options options, OnEntry on_entry);
  // Visits everything below the roots. Errors of single objects go to on_error and to the result: one is returned as
  // itself, several as "encountered N errors". Errors: cancelled.
  Status walk(std::vector<Root> roots, std::stop_token stop);
  // Counts an error found outside the walk (by a callback's own workers). True when the walk must go on.
  bool report(const std::string& path, const Status& status);
  std::int64_t error_count() const;
  // The texts of the first errors, at most 1000.
  std::vector<std::string> error_texts() const;
  // The result by the same rule for all that has been reported so far.
  Status result() const;
  // Requested by walk()'s caller and when there were too many errors.
  std::stop_token stop_token() const { return stop_.get_token(); }
  void request_stop() { stop_.request_stop(); }

 private:
  struct Pending {
    std::string path;
    object::ObjectId id;
    bool root = false;
  };
  struct Shared;
  // `pushed`, for roots only: it waits to be listed.
  Status visit(const DirEntryView& entry, const std::string& path, bool* pushed, Shared& shared, std::stop_token stop);
  void list(const Pending& directory, Shared& shared, std::stop_token stop);
  void work(Shared& shared);

  object::ObjectManager& objects_;
  Options options_;
  OnEntry on_entry_;
  ObjectIdSet visited_;
  mutable std::mutex errors_mutex_;
  std::int64_t error_count_ = 0;
  std::vector<std::string> error_texts_;
  Status first_error_;
  std::stop_source stop_;
};

}  // namespace cairn::snapshot
