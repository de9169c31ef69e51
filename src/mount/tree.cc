#include "mount/tree.h"

#include <algorithm>

#include "base/time.h"
#include "snapshot/store.h"
#include "snapshot/tree_walk.h"

namespace cairn::mount {
namespace {

constexpr std::uint32_t kVirtualMode = 0555;

Item virtual_directory(std::string name, Item::Kind kind, snapshot::SourceInfo source) {
  Item item;
  item.entry.name = std::move(name);
  item.entry.type = snapshot::EntryType::directory;
  item.entry.mode = kVirtualMode;
  item.kind = kind;
  item.source = std::move(source);
  return item;
}

// "/data/x" → "data_x".
std::string name_of_path(std::string_view path) {
  std::string name(path.substr(std::min(path.find_first_not_of('/'), path.size())));
  std::ranges::replace_if(
      name, [](char c) { return c == '/' || c == '\\' || c == ':'; }, '_');
  return name.empty() || name == "." || name == ".." ? "root" : name;
}

// "20240301-100000" in the time zone of the command.
std::string name_of_time(Timestamp t) {
  std::string name;
  for (const char c : display_time(t).substr(0, 19)) {
    if (c >= '0' && c <= '9') {
      name += c;
    } else if (c == ' ') {
      name += '-';
    }
  }
  return name;
}

// Several paths or times may come to the same name: the later ones get a number.
void make_unique(std::vector<Item>& items) {
  std::unordered_map<std::string, int> seen;
  for (Item& item : items) {
    if (const int n = ++seen[item.entry.name]; n > 1) {
      item.entry.name += fmt::format(" ({})", n);
    }
  }
}

}  // namespace

Listing::Listing(std::vector<Item> items) : items_(std::move(items)) {
  const auto name = [](const Item& i) -> const std::string& { return i.entry.name; };
  // Of entries with one name the last counts.
  std::ranges::reverse(items_);
  std::ranges::stable_sort(items_, {}, name);
  const auto twice = std::ranges::unique(items_, {}, name);
  items_.erase(twice.begin(), twice.end());
}

const Item* Listing::find(std::string_view name) const {
  const auto it =
      std::ranges::lower_bound(items_, name, {}, [](const Item& i) -> std::string_view { return i.entry.name; });
  return it != items_.end() && it->entry.name == name ? &*it : nullptr;
}

Tree::Tree(repo::Repository& repository, snapshot::DirEntry root, TreeOptions options)
    : repository_(repository), options_(options) {
  auto item = std::make_shared<Item>();
  item->entry = std::move(root);
  nodes_[kRootInode] = {std::move(item), "", 1};
}

Tree::Tree(repo::Repository& repository, TreeOptions options) : repository_(repository), options_(options) {
  nodes_[kRootInode] = {std::make_shared<Item>(virtual_directory("", Item::Kind::all, {})), "", 1};
}

std::shared_ptr<const Item> Tree::item(Inode inode) const {
  const std::scoped_lock lock(mutex_);
  const auto it = nodes_.find(inode);
  return it == nodes_.end() ? nullptr : it->second.item;
}

std::size_t Tree::inode_count() const {
  const std::scoped_lock lock(mutex_);
  return nodes_.size();
}

Result<Inode> Tree::look_up(Inode directory, std::string_view name, std::stop_token stop) {
  TRY_ASSIGN(const auto listing, list(directory, std::move(stop)));
  const Item* found = listing->find(name);
  if (found == nullptr) {
    return error(Code::not_found, "entry not found");
  }
  std::string key = std::to_string(directory) + '/' + std::string(name);
  const std::scoped_lock lock(mutex_);
  const auto [it, fresh] = numbers_.try_emplace(std::move(key), last_ + 1);
  if (fresh) {
    ++last_;
    nodes_[last_] = {std::make_shared<Item>(*found), it->first, 0};
  }
  ++nodes_[it->second].uses;
  return it->second;
}

void Tree::forget(Inode inode, std::uint64_t uses) {
  const std::scoped_lock lock(mutex_);
  const auto it = nodes_.find(inode);
  if (it == nodes_.end() || inode == kRootInode) {
    return;
  }
  it->second.uses -= std::min(uses, it->second.uses);
  if (it->second.uses == 0) {
    numbers_.erase(it->second.key);
    nodes_.erase(it);
  }
}

Result<std::shared_ptr<const Listing>> Tree::list(Inode directory, std::stop_token stop) {
  const std::shared_ptr<const Item> at = item(directory);
  if (at == nullptr || at->entry.type != snapshot::EntryType::directory) {
    return error(Code::not_found, "no such directory");
  }
  // The list of snapshots changes; what they hold does not.
  const bool stored = at->kind == Item::Kind::stored;
  std::string key = at->entry.obj.text();
  if (stored) {
    const std::scoped_lock lock(mutex_);
    if (const auto it = cached_.find(key); it != cached_.end()) {
      cache_.splice(cache_.begin(), cache_, it->second);
      return it->second->listing;
    }
  }
  TRY_ASSIGN(auto listing, load(*at, std::move(stop)));
  if (stored) {
    keep(std::move(key), listing);
  }
  return listing;
}

void Tree::keep(std::string key, std::shared_ptr<const Listing> listing) {
  const std::scoped_lock lock(mutex_);
  if (cached_.contains(key)) {
    return;
  }
  cached_entries_ += listing->items().size();
  cache_.push_front({key, std::move(listing)});
  cached_.emplace(std::move(key), cache_.begin());
  while (cache_.size() > 1 && (cache_.size() > options_.directories_max || cached_entries_ > options_.entries_max)) {
    cached_entries_ -= cache_.back().listing->items().size();
    cached_.erase(cache_.back().key);
    cache_.pop_back();
  }
}

Result<std::shared_ptr<const Listing>> Tree::load(const Item& item, std::stop_token stop) {
  std::vector<Item> items;
  switch (item.kind) {
    case Item::Kind::all: {
      TRY_ASSIGN(items, load_all(stop));
      break;
    }
    case Item::Kind::user: {
      TRY_ASSIGN(items, load_user(item.source, stop));
      break;
    }
    case Item::Kind::history: {
      TRY_ASSIGN(items, load_history(item.source, stop));
      break;
    }
    case Item::Kind::stored: {
      const auto add = [&](const snapshot::DirEntryView& view) -> Status {
        if (snapshot::safe_entry_name(view.name)) {
          items.emplace_back().entry = view.to_entry();
        }
        return {};
      };
      TRY(snapshot::for_each_child(repository_.objects(), item.entry.obj, add, {}, stop), "error reading directory {}",
          item.entry.obj.text());
    }
  }
  return std::make_shared<const Listing>(std::move(items));
}

Result<std::vector<Item>> Tree::load_all(std::stop_token stop) {
  TRY_ASSIGN(const auto sources, snapshot::list_sources(repository_.manifests(), std::move(stop)));
  std::vector<Item> items;
  for (const snapshot::SourceInfo& source : sources) {
    const snapshot::SourceInfo user{source.host, source.user_name, ""};
    if (items.empty() || items.back().source != user) {
      items.push_back(virtual_directory(name_of_path(user.text()), Item::Kind::user, user));
    }
  }
  make_unique(items);
  return items;
}

Result<std::vector<Item>> Tree::load_user(const snapshot::SourceInfo& user, std::stop_token stop) {
  TRY_ASSIGN(const auto sources, snapshot::list_sources(repository_.manifests(), std::move(stop)));
  std::vector<Item> items;
  for (const snapshot::SourceInfo& source : sources) {
    if (source.host == user.host && source.user_name == user.user_name) {
      items.push_back(virtual_directory(name_of_path(source.path), Item::Kind::history, source));
    }
  }
  make_unique(items);
  return items;
}

Result<std::vector<Item>> Tree::load_history(const snapshot::SourceInfo& source, std::stop_token stop) {
  TRY_ASSIGN(auto snapshots, snapshot::snapshots_of(repository_.manifests(), source, std::move(stop)));
  std::vector<Item> items;
  for (snapshot::SnapshotManifest& s : snapshots) {
    if (s.root) {
      Item& item = items.emplace_back();
      item.entry = std::move(*s.root);
      item.entry.name = name_of_time(s.start_time) + (s.incomplete.empty() ? "" : " (incomplete)");
    }
  }
  make_unique(items);
  return items;
}

}  // namespace cairn::mount
