#include "blob/sftp/call_wait.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace cairn::blob {

CallWait::CallWait(Duration total, Duration silence, std::stop_token stop)
    : deadline_ns_(monotonic_ns() + total.ns),
      silence_(silence),
      quiet_until_ns_(monotonic_ns() + silence.ns),
      stop_(std::move(stop)),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      on_stop_(stop_, Waker{wake_.get()}) {}

void CallWait::Waker::operator()() const {
  const std::uint64_t one = 1;
  (void)!::write(fd, &one, sizeof one);
}

Status CallWait::check() const {
  if (stop_.stop_requested()) {
    return error(Code::cancelled, "stopped");
  }
  if (monotonic_ns() > std::min(deadline_ns_, quiet_until_ns_)) {
    return error(Code::deadline, "i/o timeout: the server did not answer in time");
  }
  return {};
}

Status CallWait::wait(int fd, short events, Duration tick) {
  TRY(check());
  std::int64_t left_ns = std::min(deadline_ns_, quiet_until_ns_) - monotonic_ns();
  if (tick.ns > 0) {
    left_ns = std::min(left_ns, tick.ns);
  }
  pollfd fds[2] = {{fd, events, 0}, {wake_.get(), POLLIN, 0}};
  const int ready = ::poll(fds, 2, static_cast<int>(std::clamp<std::int64_t>(left_ns / 1'000'000 + 1, 1, 3'600'000)));
  if (ready < 0 && errno != EINTR) {
    return errno_status(errno, "poll");
  }
  return check();
}

}  // namespace cairn::blob
