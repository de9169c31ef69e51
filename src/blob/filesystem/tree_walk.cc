#include "blob/filesystem/tree_walk.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>

#include "base/task_group.h"
#include "blob/filesystem/call_guard.h"
#include "blob/sharding.h"
#include "sys/directory.h"
#include "sys/file.h"

namespace cairn::blob {
namespace {

constexpr int kAttemptsMax = 5;
constexpr int kParallelismMax = 64;
constexpr std::size_t kBatchesMax = 256;

struct Directory {
  std::string path;
  std::string id_part;  // the components above, joined
};

struct DirectoryContent {
  std::vector<BlobMetadata> blobs;
  std::vector<Directory> children;
};

class TreeReader {
 public:
  TreeReader(const Tree& tree, std::string_view prefix) : tree_(tree), prefix_(prefix) {}

  Result<DirectoryContent> read(const Directory& dir, bool is_root, const std::stop_token& stop) const {
    const CallLimits limits(tree_.directory_deadline, 0, stop);
    if (!tree_.may_hang) {
      return read_within(limits, dir, is_root);
    }
    return guarded(limits, [reader = *this, limits, dir, is_root] { return reader.read_within(limits, dir, is_root); });
  }

 private:
  Result<DirectoryContent> read_within(const CallLimits& limits, const Directory& dir, bool is_root) const {
    return limits.retry(kAttemptsMax, [&]() -> Result<DirectoryContent> {
      DirectoryContent content;
      auto fd = sys::open_directory(dir.path);
      if (!fd.ok()) {
        const bool vanished = !is_root && fd.code() == Code::not_found;
        const bool foreign = fd.code() == Code::permission_denied && sys::base_name(dir.path) == "lost+found";
        if (vanished || foreign) {
          return content;
        }
        return std::move(fd).status().with_frame("error reading directory");
      }
      sys::DirectoryListing listing;
      TRY(sys::read_directory(fd->get(), false, listing, limits.stop()), "error reading directory: {}", dir.path);
      for (const sys::DirectoryEntry& e : listing.entries()) {
        TRY(limits.check());
        TRY(take(dir, fd->get(), listing.c_name(e), listing.name(e), e.type, content));
      }
      return content;
    });
  }

  Status take(const Directory& dir, int dirfd, const char* c_name, std::string_view name, sys::FileType type,
              DirectoryContent& content) const {
    std::string id = dir.id_part + std::string(name);
    if (!agrees_with_prefix(id)) {
      return {};
    }
    if (type == sys::FileType::unknown) {
      auto info = sys::lstat_at(dirfd, c_name);
      if (!info.ok()) {
        return info.code() == Code::not_found ? Status() : std::move(info).status();
      }
      type = info->type;
    }
    if (type == sys::FileType::directory) {
      content.children.push_back({sys::join_path(dir.path, name), std::move(id)});
      return {};
    }
    if (type != sys::FileType::regular || !name.ends_with(kBlobSuffix)) {
      return {};
    }
    id.resize(id.size() - kBlobSuffix.size());
    if (!id.starts_with(prefix_)) {
      return {};
    }
    auto info = sys::lstat_at(dirfd, c_name);
    if (!info.ok()) {
      return info.code() == Code::not_found ? Status() : std::move(info).status();
    }
    if (info->is_regular()) {
      content.blobs.push_back({BlobId(std::move(id)), info->size, info->mtime});
    }
    return {};
  }

  // One is a prefix of the other.
  bool agrees_with_prefix(std::string_view id) const {
    return id.starts_with(prefix_) || std::string_view(prefix_).starts_with(id);
  }

  Tree tree_;
  std::string prefix_;
};

Status walk_sequentially(const TreeReader& reader, const std::string& root, const ListCallback& callback,
                         const std::stop_token& stop) {
  std::vector<Directory> pending = {{root, ""}};
  while (!pending.empty()) {
    const Directory dir = std::move(pending.back());
    pending.pop_back();
    TRY_ASSIGN(DirectoryContent content, reader.read(dir, dir.id_part.empty() && dir.path == root, stop));
    for (const BlobMetadata& blob : content.blobs) {
      TRY(callback(blob));
    }
    std::ranges::move(content.children, std::back_inserter(pending));
  }
  return {};
}

// Workers read directories; the caller's thread takes their results from a queue.
class ParallelWalk {
 public:
  ParallelWalk(const TreeReader& reader, int parallelism, std::stop_token stop)
      : reader_(reader), stop_(std::move(stop)), group_({static_cast<unsigned>(parallelism), 1}, stop_) {}

  Status run(const std::string& root, const ListCallback& callback) {
    enter({root, ""}, true);
    Status failed;
    while (true) {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return !batches_.empty() || open_ == 0; });
      if (batches_.empty()) {
        break;
      }
      const std::vector<BlobMetadata> batch = std::move(batches_.front());
      batches_.pop_front();
      lock.unlock();
      changed_.notify_all();
      for (std::size_t i = 0; i < batch.size() && failed.ok(); ++i) {
        failed = callback(batch[i]);
      }
      if (!failed.ok()) {
        give_up();
      }
    }
    const Status joined = group_.join();
    return failed.ok() ? joined : failed;
  }

 private:
  void enter(Directory dir, bool is_root) {
    {
      const std::lock_guard lock(mutex_);
      ++open_;
    }
    // Counted down when the task is destroyed: a stopped group drops tasks without running them.
    std::shared_ptr<void> counted(nullptr, [this](void*) { leave(); });
    group_.submit_unbounded([this, counted, dir = std::move(dir), is_root](std::stop_token stop) -> Status {
      if (abandoned()) {
        return {};
      }
      auto content = reader_.read(dir, is_root, stop);
      if (!content.ok()) {
        give_up();
        return std::move(content).status();
      }
      for (Directory& child : content->children) {
        enter(std::move(child), false);
      }
      hand_over(std::move(content->blobs));
      return {};
    });
  }

  void leave() {
    {
      const std::lock_guard lock(mutex_);
      --open_;
    }
    changed_.notify_all();
  }
  void hand_over(std::vector<BlobMetadata> blobs) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return batches_.size() < kBatchesMax || abandoned_; });
    if (!blobs.empty() && !abandoned_) {
      batches_.push_back(std::move(blobs));
    }
    lock.unlock();
    changed_.notify_all();
  }
  void give_up() {
    {
      const std::lock_guard lock(mutex_);
      abandoned_ = true;
      batches_.clear();
    }
    changed_.notify_all();
  }
  bool abandoned() {
    const std::lock_guard lock(mutex_);
    return abandoned_;
  }

  const TreeReader& reader_;
  std::stop_token stop_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::vector<BlobMetadata>> batches_;
  std::size_t open_ = 0;  // directories handed to the group and not finished
  bool abandoned_ = false;
  TaskGroup group_;  // last: its threads use all of the above
};

}  // namespace

Status walk_tree(const Tree& tree, std::string_view prefix, const ListCallback& callback, std::stop_token stop) {
  const TreeReader reader(tree, prefix);
  if (tree.parallelism <= 1) {
    return walk_sequentially(reader, tree.root, callback, stop);
  }
  return ParallelWalk(reader, std::min(tree.parallelism, kParallelismMax), stop).run(tree.root, callback);
}

}  // namespace cairn::blob
