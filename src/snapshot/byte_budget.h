// A share of memory for everyone who wants some.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <utility>

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
  Lease take(std::size_t n) {
    n = std::min(n, max_);
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return free_ >= n; });
    free_ -= n;
    return Lease(this, n);
  }

 private:
  void release(std::size_t n) {
    {
      const std::lock_guard lock(mutex_);
      free_ += n;
    }
    changed_.notify_all();
  }
  const std::size_t max_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t free_;
};

}  // namespace cairn::snapshot
