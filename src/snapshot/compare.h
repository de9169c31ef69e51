// What differs between two stored trees. (kopia-model §10.5)
#pragma once

#include <string>

#include "object/object_manager.h"
#include "snapshot/directory.h"

namespace cairn::snapshot {

struct CompareCounts {
  std::int64_t added = 0, removed = 0;
  std::int64_t modified = 0;  // QUIRK: twice when attributes and content of a file differ
  std::int64_t metadata = 0, mode = 0, mtime = 0, user = 0, group = 0;  // of entries with the same content
  Json to_json() const;
};

struct CompareStats {
  CompareCounts files, directories;
  Json to_json() const;
};

// Paths begin with "."; entries come in the order of their names, an added or removed directory before what is in it.
class CompareVisitor {
 public:
  virtual ~CompareVisitor() = default;
  virtual void on_added(const std::string& path, const DirEntry& entry) = 0;
  virtual void on_removed(const std::string& path, const DirEntry& entry) = 0;
  // The content differs too.
  virtual void on_attributes(const std::string& path, const DirEntry& before, const DirEntry& now) = 0;
  // One is a directory, the other is not.
  virtual void on_kind(const std::string& path, const DirEntry& before, const DirEntry& now) = 0;
  // Two regular files.
  virtual Status on_content(const std::string& path, const DirEntry& before, const DirEntry& now) = 0;
};

// Two directories. Both directories of a pair are in memory. Errors: those of objects, the visitor's.
Status compare_trees(object::ObjectManager& objects, const DirEntry& before, const DirEntry& now,
                     CompareVisitor& visitor, CompareStats& stats, std::stop_token stop);

}  // namespace cairn::snapshot
