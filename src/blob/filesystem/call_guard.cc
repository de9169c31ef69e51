#include "blob/filesystem/call_guard.h"

#include <deque>
#include <thread>

namespace cairn::blob {
namespace {

// Threads are started when none is idle, and detached: one that hangs must not keep the process from ending.
class ApartThreads {
 public:
  void run(std::function<void()> job) {
    const std::lock_guard lock(mutex_);
    jobs_.push_back(std::move(job));
    if (jobs_.size() > idle_) {
      std::jthread([this] { work(); }).detach();  // allowed: a call that hangs keeps its thread for ever
    } else {
      wake_.notify_one();
    }
  }

 private:
  void work() {
    std::unique_lock lock(mutex_);
    while (true) {
      if (jobs_.empty()) {
        ++idle_;
        wake_.wait(lock, [&] { return !jobs_.empty(); });
        --idle_;
      }
      const std::function<void()> job = std::move(jobs_.front());
      jobs_.pop_front();
      lock.unlock();
      job();
      lock.lock();
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> jobs_;
  std::size_t idle_ = 0;
};

}  // namespace

void run_apart(std::function<void()> job) {
  static auto* threads = new ApartThreads();  // never destroyed: its threads outlive static destruction
  threads->run(std::move(job));
}

}  // namespace cairn::blob
