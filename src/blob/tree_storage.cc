#include "blob/tree_storage.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>

#include "blob/listing_check.h"
#include "blob/retry.h"
#include "blob/sharding.h"

namespace cairn::blob {
namespace {

constexpr std::size_t kDirectoriesPerCall = 32;
constexpr std::size_t kLayoutFileMax = 64 << 10;
constexpr int kDirectoriesPerLengthMax = 16;  // of each length of name, in one directory
constexpr std::size_t kSampleMax = 200;       // blobs looked at
constexpr int kDepthMax = 4;

const std::string kShardsPath(kShardsFileName);

std::string below(const std::string& directory, const std::string& name) {
  return directory.empty() ? name : directory + "/" + name;
}

bool is_blob_file(const TreeEntry& entry) { return !entry.is_directory && entry.name.ends_with(kBlobSuffix); }

struct FoundLayout {
  ShardLayout layout;
  bool undecided = false;  // an empty tree: `.shards` is written before the first blob
  bool any_blob = false;
};

// Relative paths of some blobs. Directories are chosen by the length of their names, so that a foreign directory or a
// few misplaced blobs do not hide the rest.
Result<std::vector<std::string>> sample_blobs(RemoteTree& tree, const std::stop_token& stop) {
  std::vector<std::string> paths;
  std::vector<std::string> level = {""};
  for (int depth = 0; depth < kDepthMax && !level.empty() && paths.size() < kSampleMax; ++depth) {
    TRY_ASSIGN(const auto listings, tree.list(level, stop));
    std::vector<std::string> next;
    for (std::size_t i = 0; i < listings.size(); ++i) {
      if (!listings[i].ok()) {
        if (depth == 0) {
          return listings[i].status();
        }
        continue;
      }
      std::map<std::size_t, int> taken;
      for (const TreeEntry& entry : *listings[i]) {
        if (is_blob_file(entry)) {
          paths.push_back(below(level[i], entry.name));
        } else if (entry.is_directory && taken[entry.name.size()]++ < kDirectoriesPerLengthMax &&
                   next.size() < kDirectoriesPerCall) {
          next.push_back(below(level[i], entry.name));
        }
      }
    }
    level = std::move(next);
  }
  return paths;
}

Result<FoundLayout> find_layout(RemoteTree& tree, const Json& config, bool creating, const std::stop_token& stop) {
  FoundLayout found;
  const auto text = tree.read(kShardsPath, {}, stop);
  if (text.ok()) {
    if (text->size() > kLayoutFileMax) {
      return error(Code::corrupt, "{} is too long", kShardsFileName);
    }
    TRY_ASSIGN(found.layout, ShardLayout::parse(text->text()));
    return found;
  }
  if (text.code() != Code::not_found) {
    return text.status();
  }
  TRY_ASSIGN(const auto configured, parse_dir_shards(config["dirShards"]));
  TRY_ASSIGN(const std::vector<std::string> paths, sample_blobs(tree, stop));
  found.any_blob = !paths.empty();
  if (LayoutVote vote = recognise_layout(paths, configured ? &*configured : nullptr); vote.found) {
    found.layout = std::move(vote.layout);
    return found;
  }
  found.undecided = true;
  if (configured) {
    found.layout = ShardLayout::with_shards(*configured);
  } else {
    found.layout = creating ? ShardLayout::for_new() : ShardLayout::legacy();
  }
  return found;
}

// Writes `.shards` unless there is one by now; returns the layout in force, which is the other writer's if he was
// first.
Result<ShardLayout> persist_layout(RemoteTree& tree, const ShardLayout& layout, const std::stop_token& stop) {
  const std::string text = layout.dump();
  const ByteView parts[] = {as_bytes(text)};
  const auto written = tree.write(kShardsPath, parts, {.existing = Existing::keep, .mtime = {}}, stop);
  if (written.ok()) {
    return layout;
  }
  if (written.code() != Code::already_exists) {
    return written.status();
  }
  TRY_ASSIGN(const Buffer theirs, tree.read(kShardsPath, {}, stop));
  return ShardLayout::parse(theirs.text());
}

class TreeStorage final : public Storage {
 public:
  TreeStorage(std::unique_ptr<RemoteTree> tree, TreeStorageOptions options, FoundLayout found)
      : tree_(std::move(tree)),
        options_(std::move(options)),
        layout_(std::make_shared<const ShardLayout>(std::move(found.layout))),
        must_persist_(found.undecided) {}

  using Storage::put;

  Result<Buffer> get(const BlobId& id, ByteRange range, std::stop_token stop) override {
    if (range.offset < 0) {
      return error(Code::invalid_argument, "invalid range");
    }
    TRY_ASSIGN(const std::string path, path_of(id));
    TRY(check(stop));
    if (range.length == 0) {
      TRY_ASSIGN(const TreeEntry entry, file(path, std::move(stop)));
      return Buffer();
    }
    return tree_->read(path, range, std::move(stop));
  }

  Result<BlobMetadata> metadata(const BlobId& id, std::stop_token stop) override {
    TRY_ASSIGN(const std::string path, path_of(id));
    TRY(check(stop));
    TRY_ASSIGN(const TreeEntry entry, file(path, std::move(stop)));
    return BlobMetadata{id, entry.size, entry.mtime};
  }

  Status list(std::string_view prefix, const ListCallback& callback, std::stop_token stop) override;

  Result<BlobMetadata> put(const BlobId& id, GatherView data, const PutOptions& options,
                           std::stop_token stop) override {
    if (!options.retention_mode.empty() || options.retention_period.ns != 0) {
      return error(Code::unsupported, "blob-retention: unsupported put-blob option");
    }
    if (options.do_not_recreate) {
      return error(Code::unsupported, "do-not-recreate: unsupported put-blob option");
    }
    TRY_ASSIGN(std::string path, path_of(id));
    TRY(check(stop));
    if (must_persist_) {
      TRY(persist_layout_once(stop), "unable to write {}", kShardsFileName);
      TRY_ASSIGN(path, path_of(id));
    }
    TRY_ASSIGN(const Timestamp time,
               tree_->write(path, data, {.existing = Existing::replace, .mtime = options.set_mtime}, std::move(stop)));
    return BlobMetadata{id, static_cast<std::int64_t>(gather_size(data)), time};
  }

  Status remove(const BlobId& id, std::stop_token stop) override {
    TRY_ASSIGN(const std::string path, path_of(id));
    TRY(check(stop));
    return tree_->remove(path, std::move(stop));
  }

  Result<Capacity> capacity() override { return tree_->capacity(); }
  ConnectionInfo connection_info() const override { return options_.info; }
  std::string display_name() const override { return options_.display_name; }

 private:
  static Status check(const std::stop_token& stop) {
    return stop.stop_requested() ? error(Code::cancelled, "stopped") : Status();
  }
  Result<std::string> path_of(const BlobId& id) const { return layout_.load()->path_of(id); }

  Result<TreeEntry> file(const std::string& path, std::stop_token stop) {
    TRY_ASSIGN(TreeEntry entry, tree_->stat(path, std::move(stop)));
    if (entry.is_directory) {
      return error(Code::not_found, "{}: not a regular file", path);
    }
    return entry;
  }

  Status persist_layout_once(const std::stop_token& stop) {
    const std::lock_guard lock(persist_mutex_);
    if (must_persist_) {
      TRY_ASSIGN(ShardLayout in_force, persist_layout(*tree_, *layout_.load(), stop));
      layout_ = std::make_shared<const ShardLayout>(std::move(in_force));
      must_persist_ = false;
    }
    return {};
  }

  const std::unique_ptr<RemoteTree> tree_;
  const TreeStorageOptions options_;
  // Replaced at most once, by the first put into an empty tree.
  std::atomic<std::shared_ptr<const ShardLayout>> layout_;
  std::atomic<bool> must_persist_;
  std::mutex persist_mutex_;  // one thread writes `.shards`, the others wait for it
};

// Directories are read in groups, deepest first, so that few are waiting however large the tree is.
Status TreeStorage::list(std::string_view prefix, const ListCallback& callback, std::stop_token stop) {
  struct Directory {
    std::string path, id;  // id: the components, joined
  };
  std::vector<Directory> pending = {{"", ""}};
  while (!pending.empty()) {
    TRY(check(stop));
    const std::size_t count = std::min(pending.size(), kDirectoriesPerCall);
    const std::vector<Directory> group(std::make_move_iterator(pending.end() - static_cast<std::ptrdiff_t>(count)),
                                       std::make_move_iterator(pending.end()));
    pending.resize(pending.size() - count);
    std::vector<std::string> paths;
    for (const Directory& each : group) {
      paths.push_back(each.path);
    }
    TRY_ASSIGN(const auto listings, tree_->list(paths, stop), "error reading directory");
    for (std::size_t i = 0; i < group.size(); ++i) {
      if (!listings[i].ok()) {
        const bool vanished = !group[i].path.empty() && listings[i].code() == Code::not_found;
        const bool foreign = listings[i].code() == Code::permission_denied && group[i].path == "lost+found";
        if (vanished || foreign) {
          continue;
        }
        return listings[i].status().with_frame("error reading directory");
      }
      for (const TreeEntry& entry : *listings[i]) {
        std::string id = group[i].id + entry.name;
        if (entry.is_directory) {
          if (id.starts_with(prefix) || prefix.starts_with(id)) {
            pending.push_back({below(group[i].path, entry.name), std::move(id)});
          }
        } else if (is_blob_file(entry)) {
          id.resize(id.size() - kBlobSuffix.size());
          if (id.starts_with(prefix)) {
            TRY(callback({BlobId(std::move(id)), entry.size, entry.mtime}));
          }
        }
      }
    }
  }
  return {};
}

}  // namespace

Result<Capacity> RemoteTree::capacity() {
  return error(Code::unsupported, "unable to determine capacity: not a volume");
}

Result<StoragePtr> open_tree_storage(std::unique_ptr<RemoteTree> tree, TreeStorageOptions options, OpenOptions open,
                                     std::stop_token stop) {
  // The steps of opening are repeated as those of a storage in use.
  const RetryOptions retry{.attempts_max = options.over_http ? RetryOptions{}.attempts_max : 1};
  const auto repeatedly = [&](auto step) { return retry_call(retry, "open", stop, step); };
  const bool may_write = open.create && !open.read_only;
  if (may_write) {
    TRY(repeatedly([&] { return tree->make_root(stop); }), "unable to create storage path");
  }
  TRY_ASSIGN(const TreeEntry root, repeatedly([&] { return tree->stat("", stop); }), "cannot access storage path");
  if (!root.is_directory) {
    return error(Code::failed_precondition, "cannot access storage path: not a directory");
  }
  TRY_ASSIGN(FoundLayout found, repeatedly([&] { return find_layout(*tree, options.info.config, open.create, stop); }),
             "error determining sharded path");
  if (may_write && found.undecided && !found.any_blob) {
    TRY_ASSIGN(found.layout, repeatedly([&] { return persist_layout(*tree, found.layout, stop); }),
               "unable to write {}", kShardsFileName);
    found.undecided = false;
  }
  const bool over_http = options.over_http;
  StoragePtr storage = std::make_shared<TreeStorage>(std::move(tree), std::move(options), std::move(found));
  storage = with_retry(over_http ? with_listing_check(std::move(storage), {}) : std::move(storage), RetryOptions{});
  return open.read_only ? with_read_only(std::move(storage)) : storage;
}

}  // namespace cairn::blob
