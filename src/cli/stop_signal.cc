#include "cli/stop_signal.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>

namespace cairn::cli {
namespace {

int g_pipe[2] = {-1, -1};  // the only state a handler can reach

void on_signal(int) {
  const int saved = errno;
  const char byte = 's';
  [[maybe_unused]] const ssize_t n = ::write(g_pipe[1], &byte, 1);
  errno = saved;
}

constexpr int kSignals[] = {SIGINT, SIGTERM};

}  // namespace

StopSignal::StopSignal() {
  ::signal(SIGPIPE, SIG_IGN);  // a closed pipe is an error of the write, not the end of a backup
  if (::pipe2(g_pipe, O_CLOEXEC) != 0) {
    return;  // signals keep their default action
  }
  watcher_ = std::jthread([this] {
    char byte = 0;
    ssize_t n;
    while ((n = ::read(g_pipe[0], &byte, 1)) < 0 && errno == EINTR) {
    }
    if (n == 1 && byte == 's') {
      source_.request_stop();
    }
  });
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART | static_cast<int>(SA_RESETHAND);
  sigemptyset(&action.sa_mask);
  for (const int each : kSignals) {
    ::sigaction(each, &action, nullptr);
  }
}

StopSignal::~StopSignal() {
  if (g_pipe[1] < 0) {
    return;
  }
  for (const int each : kSignals) {
    ::signal(each, SIG_DFL);
  }
  const char byte = 'e';
  [[maybe_unused]] const ssize_t n = ::write(g_pipe[1], &byte, 1);
  watcher_.join();
  ::close(g_pipe[0]);
  ::close(g_pipe[1]);
  g_pipe[0] = g_pipe[1] = -1;
}

}  // namespace cairn::cli
