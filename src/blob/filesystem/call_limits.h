// What ends one call on the file system besides its success: a stop request, its deadline, too many attempts.
#pragma once

#include <algorithm>
#include <stop_token>

#include "base/sleep.h"
#include "base/status.h"
#include "base/time.h"

namespace cairn::blob {

class CallLimits {
 public:
  CallLimits(Duration deadline, std::int64_t bytes, std::stop_token stop)
      : deadline_ns_(monotonic_ns() + deadline.ns + std::min(bytes >> 20, kMebibytesMax) * 1'000'000'000),
        stop_(std::move(stop)) {}

  Status check() const {
    if (stop_.stop_requested()) {
      return error(Code::cancelled, "stopped");
    }
    if (monotonic_ns() > deadline_ns_) {
      return error(Code::deadline, "file system did not answer in time");
    }
    return {};
  }

  // Calls `attempt` until it succeeds, fails for a reason that a new look at the path cannot cure, or a limit is
  // reached. A stale handle (the file server forgot it) and I/O errors are what a retry may cure.
  template <class F>
  auto retry(int attempts_max, F&& attempt) const -> decltype(attempt()) {
    Duration delay = milliseconds(100);
    for (int n = 1;; ++n) {
      TRY(check());
      auto result = attempt();
      if (result.ok() || code_of(result) != Code::unavailable || n >= attempts_max) {
        return result;
      }
      const Duration left{deadline_ns_ - monotonic_ns()};
      sleep_for(std::min(delay, std::max(left, Duration{})), stop_);
      delay.ns = delay.ns * 3 / 2;
    }
  }

  const std::stop_token& stop() const { return stop_; }

 private:
  static constexpr std::int64_t kMebibytesMax = 1 << 20;
  static Code code_of(const Status& s) { return s.code(); }
  template <class T>
  static Code code_of(const Result<T>& r) {
    return r.code();
  }
  std::int64_t deadline_ns_;
  std::stop_token stop_;
};

}  // namespace cairn::blob
