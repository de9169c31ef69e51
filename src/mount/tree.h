// The files of a mount: inode numbers and what they stand for.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "repo/repository.h"
#include "snapshot/types.h"

namespace cairn::mount {

using Inode = std::uint64_t;
inline constexpr Inode kRootInode = 1;

struct Item {
  enum class Kind : std::uint8_t {
    stored,   // an entry of a tree
    all,      // the root of everything: a directory for each user@host
    user,     // `source` without path: a directory for each path
    history,  // `source`: a directory for each snapshot
  };
  snapshot::DirEntry entry;
  Kind kind = Kind::stored;
  snapshot::SourceInfo source;
};

// Entries of one directory, ascending by name, names unique. Immutable.
class Listing {
 public:
  explicit Listing(std::vector<Item> items);
  const std::vector<Item>& items() const { return items_; }
  const Item* find(std::string_view name) const;

 private:
  std::vector<Item> items_;
};

struct TreeOptions {
  std::size_t directories_max = 100;  // listings in memory …
  std::size_t entries_max = 100'000;  // … and their entries together; the last one used stays whatever its size
};

// Thread-safe.
class Tree {
 public:
  // A stored directory as the root.
  Tree(repo::Repository& repository, snapshot::DirEntry root, TreeOptions options);
  // All snapshots: user@host / path / time.
  Tree(repo::Repository& repository, TreeOptions options);

  // What `inode` stands for; null when the number was never given out or is forgotten.
  std::shared_ptr<const Item> item(Inode inode) const;
  // The inode of a name; counts one use. Errors: not_found, those of reading the directory.
  Result<Inode> look_up(Inode directory, std::string_view name, std::stop_token stop);
  // `uses` of look_up() are over.
  void forget(Inode inode, std::uint64_t uses);
  Result<std::shared_ptr<const Listing>> list(Inode directory, std::stop_token stop);
  std::size_t inode_count() const;

 private:
  struct Node {
    std::shared_ptr<const Item> item;
    std::string key;
    std::uint64_t uses = 0;
  };
  struct Cached {
    std::string key;
    std::shared_ptr<const Listing> listing;
  };
  Result<std::shared_ptr<const Listing>> load(const Item& item, std::stop_token stop);
  Result<std::vector<Item>> load_all(std::stop_token stop);
  Result<std::vector<Item>> load_user(const snapshot::SourceInfo& user, std::stop_token stop);
  Result<std::vector<Item>> load_history(const snapshot::SourceInfo& source, std::stop_token stop);
  void keep(std::string key, std::shared_ptr<const Listing> listing);

  repo::Repository& repository_;
  const TreeOptions options_;
  mutable std::mutex mutex_;
  std::unordered_map<Inode, Node> nodes_;
  std::unordered_map<std::string, Inode> numbers_;  // parent's number and name
  Inode last_ = kRootInode;
  std::list<Cached> cache_;  // most recently used first
  std::unordered_map<std::string, std::list<Cached>::iterator> cached_;
  std::size_t cached_entries_ = 0;
};

}  // namespace cairn::mount
