// The parts of one running upload. For the upload*.cc files of this folder only.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "snapshot/actions.h"
#include "snapshot/directory.h"
#include "snapshot/freshness.h"
#include "snapshot/ignore.h"
#include "snapshot/upload.h"
#include "snapshot/upload_pool.h"
#include "sys/directory.h"

namespace cairn::snapshot {

enum class ItemState : std::uint8_t {
  pending,    // to be stored; still so at the end: left out (the upload was cancelled)
  matched,    // found in the previous directory being read
  ambiguous,  // its name stands there twice
  done,
  dropped,  // failed and recorded, or not to be stored
};

// A file or symbolic link of a directory in progress. `state` is written last (release) by whoever stores the item and
// read (acquire) by checkpoints and by the directory's completion.
struct UploadItem {
  std::uint32_t name_offset = 0;
  std::uint16_t name_size = 0;
  EntryType type = EntryType::file;
  ItemState state = ItemState::pending;
  std::uint32_t mode = 0, uid = 0, gid = 0;
  std::int64_t size = 0;  // of the stat; once done, what was read
  Timestamp mtime{};
  object::ObjectId obj;

  ItemState load_state() const {
    return std::atomic_ref<ItemState>(const_cast<ItemState&>(state)).load(std::memory_order_acquire);
  }
  void store_state(ItemState s) { std::atomic_ref<ItemState>(state).store(s, std::memory_order_release); }
};

// A child directory. `state` and `encoded_*` are guarded by the directory's mutex once the walker has gone in.
struct UploadSubdir {
  std::uint32_t name_offset = 0;
  std::uint16_t name_size = 0;
  ItemState state = ItemState::pending;
  std::uint32_t mode = 0, uid = 0, gid = 0;
  Timestamp mtime{};
  std::uint64_t dev = 0, ino = 0;
  std::uint32_t seen_in = 0;  // 1 + number of the previous directory that named it last
  std::uint32_t encoded_size = 0;
  std::uint64_t encoded_offset = 0;        // its entry, in UploadDir::encoded
  std::vector<object::ObjectId> previous;  // its objects in the previous snapshots
};

class UploadDir;

// A large file that is being read. The mutex is the writer's owner: it is not thread-safe, and a checkpoint uses it
// too.
struct UploadOpenFile {
  std::mutex mutex;
  object::ObjectWriter* writer = nullptr;  // null when there is nothing to see (any more)
  std::uint32_t item = 0;
  std::int64_t stat_size = 0;
  bool part = false;  // of a split file
};

// A directory in progress: from the moment it is listed until its object is written.
class UploadDir {
 public:
  std::shared_ptr<UploadDir> parent;  // null at the root
  std::uint32_t index_in_parent = 0;
  std::string path;       // relative to the root, "" there
  std::string read_path;  // what is read: absolute
  std::string name;
  std::uint32_t mode = 0, uid = 0, gid = 0;
  Timestamp mtime{};
  std::uint64_t dev = 0, ino = 0;
  std::shared_ptr<sys::UniqueFd> fd;  // the walker's; jobs hold their own reference
  PolicyTree policies;
  std::shared_ptr<const IgnoreContext> ignore;
  compress::HeaderId metadata_compressor = 0;
  std::unique_ptr<ActionRun> folder_action;
  std::int64_t start_ns = 0;

  // Filled by the walker, then fixed in size.
  std::string names;
  std::vector<UploadItem> items;      // ascending by name
  std::vector<UploadSubdir> subdirs;  // ascending by name

  // What must finish before the directory: the walker (1), jobs, child directories.
  std::atomic<std::int64_t> pending{1};

  std::mutex mutex;  // guards what follows, and UploadSubdir::state, encoded_*
  std::string encoded;
  SummaryBuilder summary;                            // finished child directories and errors
  std::vector<std::shared_ptr<UploadDir>> children;  // in progress
  std::vector<std::shared_ptr<UploadOpenFile>> open_files;

  std::string_view item_name(const UploadItem& i) const { return {names.data() + i.name_offset, i.name_size}; }
  std::string_view subdir_name(const UploadSubdir& s) const { return {names.data() + s.name_offset, s.name_size}; }
  const char* c_name(std::uint32_t offset) const { return names.data() + offset; }
  std::string child_path(std::string_view child) const {
    return path.empty() ? std::string(child) : path + '/' + std::string(child);
  }
  std::string child_read_path(std::string_view child) const { return sys::join_path(read_path, child); }
};

// The entry of a file or link as it stands in a directory object.
void fill_entry(const UploadDir& dir, const UploadItem& item, DirEntry& out);

class Uploader {
 public:
  Uploader(repo::Repository& repository, const UploadSource& source, const PolicyTree& policies,
           const std::vector<SnapshotManifest>& previous, const UploadOptions& options, std::stop_token user_stop);
  ~Uploader();
  Result<SnapshotManifest> run();

 private:
  struct TotalStats {
    std::atomic<std::int64_t> total_size{0}, file_count{0}, cached_files{0}, non_cached_files{0}, dir_count{0};
    std::atomic<std::int64_t> excluded_files{0}, excluded_dirs{0}, excluded_bytes{0};
    std::atomic<std::int64_t> errors{0}, ignored_errors{0};
  };

  // upload.cc
  Result<DirEntry> upload_root();
  Result<DirEntry> upload_root_directory(const std::string& path);
  Result<DirEntry> upload_tree(std::shared_ptr<UploadDir> root);
  void set_root(const std::shared_ptr<UploadDir>& root);
  Result<DirEntry> wait_for_root();
  Result<DirEntry> upload_root_file(const std::string& path, const sys::FileInfo& info);
  Result<DirEntry> upload_stream();
  unsigned worker_count() const;
  void background(std::stop_token stop);
  Stats take_stats() const;

  // Stopping. The first reason stays.
  void cancel(const char* reason);
  // The upload fails: nothing will be saved.
  void fail(Status status);
  bool stopping() const { return reason_.load(std::memory_order_relaxed) != nullptr; }
  bool failed() const { return failed_.load(std::memory_order_relaxed); }
  std::string incomplete_reason() const;
  std::stop_token files_stop() const { return files_stop_.get_token(); }

  // upload_walk.cc: the walker
  struct Frame {
    std::shared_ptr<UploadDir> dir;
    std::size_t next = 0;
  };
  void walk(const std::shared_ptr<UploadDir>& root);
  void enter_subdir(std::vector<Frame>& stack);
  // Opens, lists, sorts, compares; queues what is to be stored.
  Status enter(const std::shared_ptr<UploadDir>& dir, std::span<const object::ObjectId> previous);
  Status open_dir(UploadDir& dir);
  Status list(UploadDir& dir);
  Status enter_rules(UploadDir& dir);
  Result<std::optional<std::string>> read_rules_file(UploadDir& dir, const std::string& name);
  Result<bool> is_cache_dir(UploadDir& dir);
  Status classify(UploadDir& dir);
  Status classify_entry(UploadDir& dir, const sys::DirectoryEntry& e, std::string& rule_path);
  Status add_placeholder(UploadDir& dir, const sys::DirectoryEntry& e);
  Status check_duplicates(UploadDir& dir);
  void queue_files(const std::shared_ptr<UploadDir>& dir);
  void queue_job(const std::shared_ptr<UploadDir>& dir, std::uint32_t begin, std::uint32_t end);
  Status reopen(std::vector<Frame>& stack);
  void exclude(UploadDir& dir, const sys::DirectoryEntry& e);

  // upload_match.cc: comparing with previous snapshots
  void match_previous(UploadDir& dir, std::span<const object::ObjectId> previous);
  Status match_one(UploadDir& dir, const object::ObjectId& previous, std::uint32_t number);
  bool is_known(const object::ObjectId& id);
  void accept_matches(UploadDir& dir);

  // upload_file.cc: the workers' side
  void store_range(const std::shared_ptr<UploadDir>& dir, const sys::UniqueFd& fd, std::uint32_t begin,
                   std::uint32_t end, UploadScratch& scratch);
  void store_item(UploadDir& dir, const sys::UniqueFd& fd, UploadItem& item, UploadScratch& scratch);
  void store_stream_item(UploadDir& dir, UploadScratch& scratch);
  // Accounts for an item whose storing ended.
  void complete_item(UploadDir& dir, UploadItem& item, Status status, const object::ObjectId& id, std::int64_t size,
                     std::int64_t start_ns);
  Status store_link(UploadDir& dir, const sys::UniqueFd& fd, const UploadItem& item, object::ObjectId& id,
                    std::int64_t& size);
  Status store_file(UploadDir& dir, const sys::UniqueFd& fd, UploadItem& item, UploadScratch& scratch,
                    object::ObjectId& id, std::int64_t& size);
  // One object of (a part of) an open file.
  struct Stream {
    std::uint32_t item = 0;  // index
    int fd = -1;
    std::string path;  // for messages
    std::int64_t offset = 0;
    std::int64_t length = -1;  // −1: to the end
    bool part = false;
    bool seekable = true;
  };
  Status store_stream(UploadDir& dir, const Stream& stream, object::WriterOptions writer, Buffer& buffer,
                      object::ObjectId& id, std::int64_t& size);
  Status copy_stream(const Stream& stream, object::ObjectWriter& writer, UploadOpenFile& open_file, Buffer& buffer,
                     object::ObjectId& id, std::int64_t& size);
  Result<std::size_t> read_piece(const Stream& stream, MutByteView out, std::int64_t offset) const;
  Status store_parts(UploadDir& dir, const Stream& whole, std::int64_t part_size, const object::WriterOptions& writer,
                     UploadScratch& scratch, object::ObjectId& id, std::int64_t& size);
  object::WriterOptions writer_options(const Policy& policy, std::string_view name, std::int64_t size) const;
  // Counts bytes and looks at the limit.
  void count_read(std::int64_t bytes);

  // upload_dir.cc: completion of directories, errors
  void release(std::shared_ptr<UploadDir> dir, UploadScratch& scratch);
  void finish(UploadDir& dir, UploadScratch& scratch);
  Result<object::ObjectId> write_directory(UploadDir& dir, UploadScratch& scratch, Summary& summary);
  void report_to_parent(UploadDir& dir, DirEntry entry);
  void record_error(UploadDir& dir, const std::string& path, const std::string& message, bool ignored);

  // upload_checkpoint.cc
  void checkpoint();
  Status try_checkpoint();
  Result<DirEntry> checkpoint_directory(UploadDir& dir);
  Status add_open_files(UploadDir& dir, DirectoryBuilder& builder);
  Status add_finished(UploadDir& dir, DirectoryBuilder& builder, std::vector<std::uint32_t>& finished);

  // Log lines by the policies' detail levels; nothing unless debugging is on.
  void log_directory(const UploadDir& dir, const Summary& summary, const object::ObjectId& id) const;
  void log_entry(const UploadDir& dir, std::string_view name, std::string_view what, std::int64_t detail,
                 std::int64_t size, std::int64_t start_ns) const;

  repo::Repository& repository_;
  const UploadSource& source_;
  PolicyTree policies_;
  const std::vector<SnapshotManifest>& previous_;
  const UploadOptions& options_;
  std::stop_token user_stop_;
  UploadProgress own_progress_;
  UploadProgress& progress_;
  bool want_paths_ = false;
  bool want_log_ = false;

  Timestamp start_time_{};
  Freshness fresh_{repository_.clock()};
  std::int64_t uploaded_before_ = 0;
  std::unique_ptr<UploadPool> pool_;
  std::shared_ptr<object::ChunkExecutor> executor_;  // the pool, not owned
  TotalStats stats_;
  std::atomic<std::int64_t> bytes_read_{0};

  std::stop_source files_stop_;
  std::atomic<const char*> reason_{nullptr};
  std::atomic<bool> failed_{false};

  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  Status failure_;
  std::shared_ptr<UploadDir> root_;  // in progress, for checkpoints
  std::optional<DirEntry> root_entry_;
  bool root_done_ = false;

  // The walker's own.
  sys::DirectoryListing listing_;
  std::string rule_path_;
  std::mt19937_64 random_;
  bool unsorted_ = false;  // placeholders were added to the directory at hand
};

// The last frame of a message: what the system said.
std::string_view root_cause(const Status& status);

}  // namespace cairn::snapshot
