#include "snapshot/compare.h"

#include <map>

#include "snapshot/tree_walk.h"

namespace cairn::snapshot {
namespace {

using Entries = std::map<std::string, DirEntry>;

bool is_directory(const DirEntry& e) { return e.type == EntryType::directory; }

class Comparison {
 public:
  Comparison(object::ObjectManager& objects, CompareVisitor& visitor, CompareStats& stats, std::stop_token stop)
      : objects_(objects), visitor_(visitor), stats_(stats), stop_(std::move(stop)) {}

  Status pair(const std::string& path, const DirEntry& before, const DirEntry& now) {
    const bool directories = is_directory(before) && is_directory(now);
    CompareCounts& counts = directories ? stats_.directories : stats_.files;
    if (before.obj == now.obj) {
      count_attributes(counts, before, now);
      return {};
    }
    if (attributes_differ(before, now)) {
      ++counts.modified;
      visitor_.on_attributes(path, before, now);
    }
    if (is_directory(before) != is_directory(now)) {
      visitor_.on_kind(path, before, now);
      return {};
    }
    if (directories) {
      return children(path, before, now);
    }
    if (before.type == EntryType::file && now.type == EntryType::file) {
      ++counts.modified;
      return visitor_.on_content(path, before, now);
    }
    return {};
  }

 private:
  static bool attributes_differ(const DirEntry& a, const DirEntry& b) {
    return a.type != b.type || a.mode != b.mode || a.size != b.size || a.mtime != b.mtime || a.uid != b.uid ||
           a.gid != b.gid;
  }

  static void count_attributes(CompareCounts& counts, const DirEntry& a, const DirEntry& b) {
    const bool mode = a.mode != b.mode || a.type != b.type;
    const bool mtime = a.mtime != b.mtime, user = a.uid != b.uid, group = a.gid != b.gid;
    counts.mode += mode ? 1 : 0;
    counts.mtime += mtime ? 1 : 0;
    counts.user += user ? 1 : 0;
    counts.group += group ? 1 : 0;
    counts.metadata += mode || mtime || user || group ? 1 : 0;
  }

  Result<Entries> read(const DirEntry& directory) {
    Entries entries;
    const auto add = [&](const DirEntryView& view) -> Status {
      DirEntry entry = view.to_entry();
      entries.insert_or_assign(entry.name, std::move(entry));
      return {};
    };
    TRY(for_each_child(objects_, directory.obj, add, {.child_directory_times_from_summary = true}, stop_),
        "error reading directory");
    return entries;
  }

  Status children(const std::string& path, const DirEntry& before, const DirEntry& now) {
    TRY_ASSIGN(const Entries old, read(before), "{}", path);
    TRY_ASSIGN(const Entries fresh, read(now), "{}", path);
    for (const auto& [name, entry] : old) {
      if (!fresh.contains(name)) {
        TRY(one_sided(path + '/' + name, entry, false));
      }
    }
    for (const auto& [name, entry] : fresh) {
      const std::string child = path + '/' + name;
      const auto it = old.find(name);
      TRY(it == old.end() ? one_sided(child, entry, true) : pair(child, it->second, entry));
    }
    return {};
  }

  Status one_sided(const std::string& path, const DirEntry& entry, bool added) {
    CompareCounts& counts = is_directory(entry) ? stats_.directories : stats_.files;
    ++(added ? counts.added : counts.removed);
    added ? visitor_.on_added(path, entry) : visitor_.on_removed(path, entry);
    if (!is_directory(entry)) {
      return {};
    }
    TRY_ASSIGN(const Entries inside, read(entry), "{}", path);
    for (const auto& [name, child] : inside) {
      TRY(one_sided(path + '/' + name, child, added));
    }
    return {};
  }

  object::ObjectManager& objects_;
  CompareVisitor& visitor_;
  CompareStats& stats_;
  const std::stop_token stop_;
};

}  // namespace

Json CompareCounts::to_json() const {
  return Json::object({{"added", added},
                       {"removed", removed},
                       {"modified", modified},
                       {"sameContentButDifferentMetadata", metadata},
                       {"sameContentButDifferentMode", mode},
                       {"sameContentButDifferentModificationTime", mtime},
                       {"sameContentButDifferentUserOwner", user},
                       {"sameContentButDifferentGroupOwner", group}});
}

Json CompareStats::to_json() const {
  return Json::object({{"fileEntries", files.to_json()}, {"directoryEntries", directories.to_json()}});
}

Status compare_trees(object::ObjectManager& objects, const DirEntry& before, const DirEntry& now,
                     CompareVisitor& visitor, CompareStats& stats, std::stop_token stop) {
  return Comparison(objects, visitor, stats, std::move(stop)).pair(".", before, now);
}

}  // namespace cairn::snapshot
