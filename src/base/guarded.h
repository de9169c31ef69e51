// A value reachable only through its lock.
#pragma once

#include <mutex>
#include <utility>

namespace cairn {

template <class T>
class Guarded {
 public:
  template <class... Args>
  explicit Guarded(Args&&... args) : value_(std::forward<Args>(args)...) {}

  class Lock {
   public:
    explicit Lock(Guarded& g) : lock_(g.mutex_), value_(&g.value_) {}
    T* operator->() { return value_; }
    T& operator*() { return *value_; }
    std::unique_lock<std::mutex>& raw() { return lock_; }

   private:
    std::unique_lock<std::mutex> lock_;
    T* value_;
  };
  // Never hold the result over I/O or a callback.
  Lock lock() { return Lock(*this); }

 private:
  std::mutex mutex_;
  T value_;
};

}  // namespace cairn
