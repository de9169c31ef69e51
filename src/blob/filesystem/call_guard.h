// A call that the kernel may never answer, such as one on a hard NFS mount whose server is gone, on a thread of its
// own, so that its caller can leave it.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>

#include "blob/filesystem/call_limits.h"

namespace cairn::blob {

// Runs `job` on a thread that is kept for later jobs. A job that never returns keeps its thread.
void run_apart(std::function<void()> job);

// Returns what fn() returns, or, when the limits have passed and fn() does not notice within a second, an error:
// Code::deadline or Code::cancelled. fn may then still be in a system call: it must own what it uses (memory of the
// caller only as an argument of system calls) and look at `limits` after every call before it goes on.
template <class F>
auto guarded(const CallLimits& limits, F fn) -> decltype(fn()) {
  struct Shared {
    explicit Shared(F f) : fn(std::move(f)) {}
    F fn;
    std::mutex mutex;
    std::condition_variable done;
    std::optional<decltype(fn())> result;
  };
  static constexpr auto kGrace = std::chrono::seconds(1);
  static constexpr auto kLook = std::chrono::milliseconds(100);
  const auto shared = std::make_shared<Shared>(std::move(fn));
  run_apart([shared] {
    auto result = shared->fn();
    {
      const std::lock_guard lock(shared->mutex);
      shared->result.emplace(std::move(result));
    }
    shared->done.notify_all();
  });
  const auto has_result = [&] { return shared->result.has_value(); };
  std::unique_lock lock(shared->mutex);
  while (!shared->done.wait_for(lock, kLook, has_result)) {
    Status over = limits.check();
    if (!over.ok() && !shared->done.wait_for(lock, kGrace, has_result)) {
      return over;
    }
  }
  return std::move(*shared->result);
}

}  // namespace cairn::blob
