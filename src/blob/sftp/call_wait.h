// What ends one call to a server besides its success: a stop request, its deadline, or silence for too long.
#pragma once

#include <stop_token>

#include "base/time.h"
#include "sys/file.h"

namespace cairn::blob {

class CallWait {
 public:
  // `total` is for the whole call, `silence` for each wait.
  CallWait(Duration total, Duration silence, std::stop_token stop);
  CallWait(const CallWait&) = delete;
  CallWait& operator=(const CallWait&) = delete;

  // Errors: cancelled, deadline.
  Status check() const;
  // Sleeps until `fd` is ready for one of poll's `events`, or for `tick` (0: until then). Errors: cancelled, deadline.
  Status wait(int fd, short events, Duration tick = {});
  // Something arrived or was accepted: the silence is over.
  void progress() { quiet_until_ns_ = monotonic_ns() + silence_.ns; }
  const std::stop_token& stop() const { return stop_; }

 private:
  struct Waker {
    int fd;
    void operator()() const;
  };
  const std::int64_t deadline_ns_;
  const Duration silence_;
  std::int64_t quiet_until_ns_;
  std::stop_token stop_;
  sys::UniqueFd wake_;
  std::stop_callback<Waker> on_stop_;
};

}  // namespace cairn::blob
