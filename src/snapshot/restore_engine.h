// The scheduler behind restore_tree().
//
// Directories wait on a stack, so that few are unfinished at once. A worker that reads a directory restores its files
// itself and hands batches (and chunks of large files) to others only while some of those are idle: nothing queues up,
// memory stays bounded, and entries of one directory rarely contend for its lock.
//
// With options.together, small files wait until enough have come together or the last directory has been read. They are
// then sorted by pack and cut into ranges; a range is one job: one request, and its files are written from it. An
// output that wants one entry after the other gets them by an object::ReadAhead: then one worker reads the directories,
// and what is to be done with them and their entries waits in that order for the contents.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "object/read_ahead.h"
#include "snapshot/byte_budget.h"
#include "snapshot/restore.h"

namespace cairn::snapshot {

inline constexpr std::size_t kRestoredLinkMax = 64 * 1024;  // bytes of a symbolic link's target

class RestoreEngine {
 public:
  RestoreEngine(object::ObjectManager& objects, RestoreOutput& output, const RestoreOptions& options,
                RestoreProgress& progress, const RestoreCallbacks& callbacks)
      : objects_(objects),
        output_(output),
        options_(options),
        progress_(progress),
        callbacks_(callbacks),
        budget_(options.bytes_in_flight_max) {}

  Status run(const DirEntry& root, std::stop_token stop);

 private:
  struct Node;
  using NodePtr = std::shared_ptr<Node>;
  struct DirectoryTask {
    NodePtr parent;
    DirEntry entry;
    std::int64_t depth = 0;
  };
  using Job = std::function<void()>;
  struct Scan;
  struct BigFile;
  struct Gathered;

  void work();
  void push(DirectoryTask task);
  void push(Job job);
  bool others_are_idle() const {
    return idle_.load(std::memory_order_relaxed) > queued_jobs_.load(std::memory_order_relaxed);
  }
  void task_done(bool was_directory);

  void restore_directory(DirectoryTask task);
  bool begin(Node& node);
  Status scan_directory(const NodePtr& node);
  Status remove_extra(Node& node);
  static void hold(Scan& scan, const DirEntryView& entry);
  Status child(Scan& scan, const DirEntryView& entry);
  void file(Scan& scan, const DirEntryView& entry);
  void flush(Scan& scan);
  void restore_entry(const NodePtr& node, const DirEntryView& entry);
  bool skip(const NodePtr& node, const DirEntryView& entry);
  void restore_now(const NodePtr& node, const DirEntryView& entry);
  Status restore_file(const NodePtr& node, const DirEntryView& entry);
  Status restore_direct(const NodePtr& node, const DirEntryView& entry);
  Status write_direct(const NodePtr& node, const DirEntryView& entry, ByteView content);
  Status restore_chunked(const NodePtr& node, const DirEntryView& entry);
  Status restore_chunk(BigFile& big, const object::IndirectEntry& chunk);
  Status write_chunk(BigFile& big, const object::IndirectEntry& chunk, ByteView content);
  // From a network, what was fetched stands beside what is decoded of it.
  std::size_t held_bytes(std::int64_t length) const {
    return static_cast<std::size_t>(length) * (options_.together ? 2 : 1);
  }
  void big_file_part_done(const std::shared_ptr<BigFile>& big);
  Status restore_symlink(const NodePtr& node, const DirEntryView& entry);
  Status write_link(const NodePtr& node, const DirEntryView& entry, const std::string& target);
  bool placeholder_wanted(const DirEntryView& entry, std::int64_t depth) const;
  Status restore_placeholder(const NodePtr& node, const DirEntryView& entry);
  Status source_error(const NodePtr& node, const DirEntryView& entry, Status status);

  // restore_together.cc
  bool gather(const NodePtr& node, const DirEntryView& entry);
  void read_gathered(std::shared_ptr<Gathered> gathered);
  void flush_gathered();
  void restore_range(Gathered& gathered, const content::PackRange& range);
  void write_gathered(const NodePtr& node, const DirEntryView& entry, const Buffer& content);

  // restore_in_order.cc
  void begin_in_order(const NodePtr& node);
  void restore_in_order(const NodePtr& node, const DirEntryView& entry);
  void restore_chunked_in_order(const NodePtr& node, const DirEntryView& entry);

  void release(NodePtr node);
  void fail(const Node* parent, std::string_view name, Status status);
  void count_enqueued(const DirEntryView& entry);
  std::string relative_path(const Node* parent, std::string_view name) const;
  std::stop_token stop() const { return stop_.get_token(); }

  object::ObjectManager& objects_;
  RestoreOutput& output_;
  const RestoreOptions options_;
  RestoreProgress& progress_;
  const RestoreCallbacks& callbacks_;
  ByteBudget budget_;
  bool totals_known_ = false;

  std::stop_source stop_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::vector<DirectoryTask> directories_;
  std::deque<Job> jobs_;
  std::size_t outstanding_ = 0;              // queued or running
  std::size_t outstanding_directories_ = 0;  // of them
  std::atomic<unsigned> idle_{0}, queued_jobs_{0};
  Status first_error_;

  std::mutex gather_mutex_;
  std::shared_ptr<Gathered> gathered_;
  content::PackTable packs_;
  std::unique_ptr<object::ReadAhead> ahead_;  // the one worker's
};

// A directory that has been begun and not finished. `pending`: its listing, sub-directories, batches, large files, and
// files that wait to be read together.
struct RestoreEngine::Node {
  NodePtr parent;
  DirEntry entry;
  std::int64_t depth = 0;
  RestoreOutput::DirectoryPtr handle;
  bool may_hold_entries = false;
  std::atomic<std::int64_t> pending{1};
};

// A file whose chunks are written by several workers.
struct RestoreEngine::BigFile {
  NodePtr node;
  DirEntry entry;
  RestoreOutput::FilePtr file;
  std::int64_t length = 0;
  std::atomic<std::int64_t> pending{1};
  std::atomic<bool> failed{false};
  std::mutex mutex;
  Status error;

  void set_error(Status s) {
    const std::lock_guard lock(mutex);
    if (error.ok()) {
      error = std::move(s);
    }
    failed = true;
  }
};

}  // namespace cairn::snapshot
