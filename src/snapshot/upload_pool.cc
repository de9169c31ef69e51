#include "snapshot/upload_pool.h"

#include <algorithm>
#include <atomic>

namespace cairn::snapshot {

struct UploadPool::Parts {
  const PartJob* fn = nullptr;  // valid while an index below `count` can be taken
  std::size_t count = 0;
  std::atomic<std::size_t> next{0}, done{0};
};

UploadPool::UploadPool(unsigned workers, std::size_t jobs_max) : jobs_max_(std::max<std::size_t>(jobs_max, 1)) {
  threads_.reserve(workers);
  for (unsigned i = 0; i < std::max(workers, 1u); ++i) {
    threads_.emplace_back([this] { work(); });
  }
}

UploadPool::~UploadPool() {
  {
    const std::scoped_lock lock(mutex_);
    closing_ = true;
  }
  work_.notify_all();
  threads_.clear();
}

void UploadPool::submit(Job job) {
  {
    std::unique_lock lock(mutex_);
    room_.wait(lock, [this] { return jobs_.size() < jobs_max_; });
    jobs_.push_back(std::move(job));
  }
  work_.notify_one();
}

void UploadPool::run_chunk(std::unique_lock<std::mutex>& lock) {
  {
    auto job = std::move(chunks_.front());
    chunks_.pop_front();
    lock.unlock();
    job();
  }
  lock.lock();
  ++finished_count_;
  finished_.notify_all();
}

void UploadPool::work() {
  UploadScratch scratch;
  std::unique_lock lock(mutex_);
  while (true) {
    if (!chunks_.empty()) {
      run_chunk(lock);
    } else if (!parts_.empty()) {
      const auto parts = std::move(parts_.front());
      parts_.pop_front();
      lock.unlock();
      take_parts(*parts, scratch);
      lock.lock();
      ++finished_count_;
      finished_.notify_all();
    } else if (!jobs_.empty()) {
      Job job = std::move(jobs_.front());
      jobs_.pop_front();
      lock.unlock();
      room_.notify_one();
      job(scratch);
      job = nullptr;  // what it holds is let go without the lock
      lock.lock();
    } else if (closing_) {
      return;
    } else {
      ++idle_;
      work_.wait(lock);
      --idle_;
    }
  }
}

void UploadPool::take_parts(Parts& parts, UploadScratch& scratch) {
  for (std::size_t i = parts.next.fetch_add(1); i < parts.count; i = parts.next.fetch_add(1)) {
    (*parts.fn)(i, scratch);
    parts.done.fetch_add(1);
  }
}

void UploadPool::run_parts(std::size_t count, const PartJob& fn, UploadScratch& scratch) {
  const auto parts = std::make_shared<Parts>();
  parts->fn = &fn;
  parts->count = count;
  {
    const std::scoped_lock lock(mutex_);
    const std::size_t helpers = std::min(count - 1, threads_.size());
    for (std::size_t i = 0; i < helpers; ++i) {
      parts_.push_back(parts);
    }
  }
  work_.notify_all();
  take_parts(*parts, scratch);
  help_until([&] { return parts->done.load() == count; });
}

void UploadPool::execute(std::function<void()> job) {
  {
    std::unique_lock lock(mutex_);
    // Handed over only to a thread that would sleep otherwise: no queue of chunks builds up.
    if (idle_ > chunks_.size()) {
      chunks_.push_back(std::move(job));
      lock.unlock();
      work_.notify_one();
      return;
    }
  }
  job();
  {
    const std::scoped_lock lock(mutex_);
    ++finished_count_;
  }
  finished_.notify_all();
}

void UploadPool::help_until(const std::function<bool()>& done) {
  std::unique_lock lock(mutex_);
  while (true) {
    const std::uint64_t seen = finished_count_;
    lock.unlock();
    if (done()) {
      return;
    }
    lock.lock();
    if (!chunks_.empty()) {
      run_chunk(lock);
    } else if (finished_count_ == seen) {
      finished_.wait(lock, [&] { return finished_count_ != seen || !chunks_.empty(); });
    }
  }
}

}  // namespace cairn::snapshot
