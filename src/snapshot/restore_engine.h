// The scheduler behind restore_tree().
//
// Directories wait on a stack, so that few are unfinished at once. A worker that reads a directory restores its files
// itself and hands batches (and chunks of large files) to others only while some of those are idle: nothing queues up,
// memory stays bounded, and entries of one directory rarely contend for its lock.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "snapshot/restore.h"

namespace cairn::snapshot {

// Bytes that all workers together may hold.
class ByteBudget {
 public:
  explicit ByteBudget(std::size_t max) : max_(max), free_(max) {}
  class Lease {
   public:
    Lease() = default;
    Lease(ByteBudget* budget, std::size_t n) : budget_(budget), n_(n) {}
    Lease(Lease&& o) noexcept : budget_(std::exchange(o.budget_, nullptr)), n_(o.n_) {}
    Lease& operator=(Lease&&) = delete;
    ~Lease() {
      if (budget_ != nullptr) {
        budget_->release(n_);
      }
    }

   private:
    ByteBudget* budget_ = nullptr;
    std::size_t n_ = 0;
  };
  // Waits until there is room (more than everything counts as everything). A holder never asks twice, so this ends.
  Lease take(std::size_t n);

 private:
  void release(std::size_t n);
  const std::size_t max_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t free_;
};

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

  void work();
  void push(DirectoryTask task);
  void push(Job job);
  bool others_are_idle() const {
    return idle_.load(std::memory_order_relaxed) > queued_jobs_.load(std::memory_order_relaxed);
  }
  void task_done();

  void restore_directory(DirectoryTask task);
  Status scan_directory(const NodePtr& node);
  Status remove_extra(Node& node);
  static void hold(Scan& scan, const DirEntryView& entry);
  Status child(Scan& scan, const DirEntryView& entry);
  void file(Scan& scan, const DirEntryView& entry);
  void flush(Scan& scan);
  void restore_entry(const NodePtr& node, const DirEntryView& entry);
  Status restore_file(const NodePtr& node, const DirEntryView& entry);
  Status restore_direct(const NodePtr& node, const DirEntryView& entry);
  Status restore_chunked(const NodePtr& node, const DirEntryView& entry);
  Status restore_chunk(BigFile& big, const object::IndirectEntry& chunk);
  void big_file_part_done(const std::shared_ptr<BigFile>& big);
  Status restore_symlink(const NodePtr& node, const DirEntryView& entry);
  bool placeholder_wanted(const DirEntryView& entry, std::int64_t depth) const;
  Status restore_placeholder(const NodePtr& node, const DirEntryView& entry);
  Status source_error(const NodePtr& node, const DirEntryView& entry, Status status);

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
  std::size_t outstanding_ = 0;  // queued or running
  std::atomic<unsigned> idle_{0}, queued_jobs_{0};
  Status first_error_;
};

}  // namespace cairn::snapshot
