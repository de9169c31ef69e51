// One value for every directory of many snapshots: what holds for all contents below it. Each distinct directory is
// read once, however many snapshots share it.
#pragma once

#include <functional>
#include <limits>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "object/object_manager.h"
#include "snapshot/tree_walk.h"

namespace cairn::proof {

struct Fold {
  std::int64_t oldest = std::numeric_limits<std::int64_t>::max();  // the longest-unread content; nothing: the maximum
  bool damaged = false;
  void add(const Fold& other) {
    oldest = std::min(oldest, other.oldest);
    damaged = damaged || other.damaged;
  }
};

// Thread-safe.
class TreeFold {
 public:
  struct Callbacks {
    // What is known of one content. Any thread. Errors end the walk.
    std::function<Result<Fold>(const ContentId&, std::stop_token)> content;
    // An object that cannot be read although no content of it is known to be damaged. Any thread.
    std::function<void(const object::ObjectId&, const Status&)> on_unreadable;
  };
  TreeFold(object::ObjectManager& objects, Callbacks callbacks) : objects_(objects), callbacks_(std::move(callbacks)) {}

  // All trees below the roots. Several threads go through them in different orders and share what is done.
  Status run(const std::vector<snapshot::DirEntry>& roots, unsigned parallel, std::stop_token stop);
  // Value of an entry after run(): of a directory with all below it, else of its object.
  Result<Fold> of(const snapshot::DirEntryView& entry, std::stop_token stop);

 private:
  struct Frame;
  Result<Fold> of_object(const object::ObjectId& id, std::stop_token stop);
  Status fold_tree(const object::ObjectId& root, std::uint64_t seed, std::stop_token stop);
  Status open_directory(const object::ObjectId& id, std::uint64_t seed, Frame& out, std::stop_token stop);
  bool known(const object::ObjectId& id, Fold& out);
  void remember(const object::ObjectId& id, const Fold& value);

  object::ObjectManager& objects_;
  const Callbacks callbacks_;
  std::mutex mutex_;
  std::unordered_map<object::ObjectId, Fold> directories_, indirect_;
};

}  // namespace cairn::proof
