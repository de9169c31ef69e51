// The upload's threads. For this folder only.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/bytes.h"
#include "object/object_manager.h"
#include "snapshot/types.h"

namespace cairn::snapshot {

// What one thread keeps from job to job.
struct UploadScratch {
  Buffer data;       // file contents
  std::string text;  // encoded directories
  std::string path;
  DirEntry entry;
};

// Three kinds of work, in order of preference:
//   chunks  of large files; never wait for anything
//   parts   of one large file; may wait for chunks
//   jobs    (some files of a directory, or its completion); bounded in number: submit() waits
// Jobs and parts never wait for jobs, so the pool cannot lock up whatever its size.
class UploadPool final : public object::ChunkExecutor {
 public:
  using Job = std::function<void(UploadScratch&)>;
  using PartJob = std::function<void(std::size_t, UploadScratch&)>;

  UploadPool(unsigned workers, std::size_t jobs_max);
  ~UploadPool() override;  // runs what was submitted

  // From the walker, never from a job.
  void submit(Job job);
  // Runs fn(0) … fn(count-1), here and on workers that have nothing else to do.
  void run_parts(std::size_t count, const PartJob& fn, UploadScratch& scratch);

  void execute(std::function<void()> job) override;
  void help_until(const std::function<bool()>& done) override;

 private:
  struct Parts;
  void work();
  // Takes one chunk and runs it. `lock` is held before and after.
  void run_chunk(std::unique_lock<std::mutex>& lock);
  static void take_parts(Parts& parts, UploadScratch& scratch);

  std::mutex mutex_;
  std::condition_variable work_, room_, finished_;
  std::deque<std::function<void()>> chunks_;
  std::deque<std::shared_ptr<Parts>> parts_;
  std::deque<Job> jobs_;
  std::size_t jobs_max_;
  std::size_t idle_ = 0;
  std::uint64_t finished_count_ = 0;  // of chunks and parts
  bool closing_ = false;
  std::vector<std::jthread> threads_;
};

}  // namespace cairn::snapshot
