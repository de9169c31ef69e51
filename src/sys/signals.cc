#include "sys/signals.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <thread>

#include "base/status.h"
#include "sys/file.h"

namespace cairn::sys {
namespace {

std::atomic<int> signal_event_fd{-1};
std::atomic<int> signal_received{0};
static_assert(std::atomic<int>::is_always_lock_free);

// Only async-signal-safe calls. The stop itself is requested by the thread that reads the event.
void on_signal(int number) {
  const int saved = errno;
  std::signal(SIGINT, SIG_DFL);
  std::signal(SIGTERM, SIG_DFL);
  signal_received.store(number);
  const std::uint64_t one = 1;
  (void)!::write(signal_event_fd.load(), &one, sizeof one);
  errno = saved;
}

}  // namespace

struct SignalStop::State {
  std::stop_source source;
  UniqueFd event;
  std::atomic<bool> ending{false};
  struct sigaction old_int, old_term;
  std::jthread watcher;
};

SignalStop::SignalStop() : state_(std::make_unique<State>()) {
  state_->event = UniqueFd(::eventfd(0, EFD_CLOEXEC));
  CHECK(state_->event.valid(), "eventfd failed");
  signal_received = 0;
  int none = -1;
  CHECK(signal_event_fd.compare_exchange_strong(none, state_->event.get()), "two SignalStop at a time");
  State* state = state_.get();
  state->watcher = std::jthread([state] {
    std::uint64_t count;
    while (::read(state->event.get(), &count, sizeof count) < 0 && errno == EINTR) {
    }
    if (!state->ending.load()) {
      state->source.request_stop();
    }
  });
  struct sigaction action = {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  ::sigaction(SIGINT, &action, &state->old_int);
  ::sigaction(SIGTERM, &action, &state->old_term);
}

SignalStop::~SignalStop() {
  ::sigaction(SIGINT, &state_->old_int, nullptr);
  ::sigaction(SIGTERM, &state_->old_term, nullptr);
  signal_event_fd = -1;
  state_->ending = true;
  const std::uint64_t one = 1;
  (void)!::write(state_->event.get(), &one, sizeof one);
  state_->watcher.join();
}

std::stop_token SignalStop::token() const { return state_->source.get_token(); }
int SignalStop::received() const { return signal_received.load(); }
void SignalStop::request_stop() { state_->source.request_stop(); }

void ignore_sigpipe() { std::signal(SIGPIPE, SIG_IGN); }

}  // namespace cairn::sys
