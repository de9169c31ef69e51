// Rewriting stored trees entry by entry, within a repository or from one into another. (kopia-model §10.3)
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "object/object_manager.h"
#include "snapshot/directory.h"

namespace cairn::snapshot {

class TreeRewriter {
 public:
  // What becomes of an entry: the same, another one, or none. `path` is relative to the root, "" there.
  using NewEntry = Result<std::optional<DirEntry>>;
  struct Rules {
    // Of a directory before it is entered: a directory that comes back is entered. Called by several threads for
    // entries that are no directories.
    std::function<NewEntry(const DirEntry& entry, const std::string& path, std::stop_token stop)> decide;
    std::function<NewEntry(const DirEntry& directory, const std::string& path, const Status& problem)> on_unreadable;
  };
  struct Options {
    unsigned parallel = 1;  // calls of `decide` at a time
    compress::HeaderId metadata_compressor = 0;
    // Equal directories are rewritten once; only when the rules do not depend on paths.
    bool memoise = true;
  };

  // Reads `from`, writes `to`; within one repository a directory is written only when something in it changed.
  TreeRewriter(object::ObjectManager& from, object::ObjectManager& to, Options options, Rules rules)
      : from_(from), to_(to), options_(options), rules_(std::move(rules)) {}
  // Memory: a batch of entries for every level of the tree, and the new form of every directory met. Not thread-safe.
  NewEntry rewrite(const DirEntry& root, std::stop_token stop) { return rewrite(root, "", stop); }

 private:
  class Rewriting;
  NewEntry rewrite(const DirEntry& entry, const std::string& path, const std::stop_token& stop);
  NewEntry rewrite_directory(const DirEntry& entry, const std::string& path, const std::stop_token& stop);
  Status write(const DirectoryBuilder& builder, const std::string& incomplete, DirEntry& directory,
               const std::stop_token& stop);

  object::ObjectManager& from_;
  object::ObjectManager& to_;
  const Options options_;
  const Rules rules_;
  std::unordered_map<std::string, std::optional<DirEntry>> done_;  // by the entry's JSON
};

}  // namespace cairn::snapshot
