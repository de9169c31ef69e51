#include "sys/terminal.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>

#include "sys/file.h"

namespace cairn::sys {
namespace {

// Bytes one at a time, so that nothing after the line is taken from whoever reads stdin next.
Result<std::string> read_line_bytes(std::stop_token stop) {
  UniqueFd wake(::eventfd(0, EFD_CLOEXEC));
  const std::stop_callback on_stop(stop, [&wake] {
    const std::uint64_t one = 1;
    (void)!::write(wake.get(), &one, sizeof one);
  });
  std::string line;
  while (true) {
    struct pollfd fds[2] = {{STDIN_FILENO, POLLIN, 0}, {wake.get(), POLLIN, 0}};
    if (::poll(fds, 2, -1) < 0 && errno != EINTR) {
      return errno_status(errno, "poll");
    }
    if (stop.stop_requested()) {
      return error(Code::cancelled, "stopped");
    }
    if (fds[0].revents == 0) {
      continue;
    }
    char c;
    const ssize_t n = ::read(STDIN_FILENO, &c, 1);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) {
      continue;
    }
    if (n < 0) {
      return errno_status(errno, "read stdin");
    }
    if (n == 0 && line.empty()) {
      return error(Code::failed_precondition, "unexpected end of file");
    }
    if (n == 0 || c == '\n') {
      if (line.ends_with('\r')) {
        line.pop_back();
      }
      return line;
    }
    if (line.size() >= 4096) {
      return error(Code::invalid_argument, "line is too long");
    }
    line.push_back(c);
  }
}

Result<std::string> prompt_line(std::string_view prompt, int prompt_fd, bool echo, std::stop_token stop) {
  TRY(write_all(prompt_fd, as_bytes(prompt)));
  struct termios saved;
  const bool hide = !echo && ::tcgetattr(STDIN_FILENO, &saved) == 0;
  if (hide) {
    struct termios silent = saved;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    silent.c_lflag |= ICANON | ISIG;
    silent.c_iflag |= ICRNL;
    ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
  }
  Result<std::string> line = read_line_bytes(std::move(stop));
  if (hide) {
    ::tcsetattr(STDIN_FILENO, TCSANOW, &saved);
    (void)write_all(prompt_fd, as_bytes("\n")).ok();
  }
  return line;
}

}  // namespace

bool is_terminal(int fd) { return ::isatty(fd) == 1; }

int terminal_width(int fd, int fallback) {
  struct winsize size;
  return ::ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : fallback;
}

Result<std::string> read_password(std::string_view prompt, int prompt_fd, std::stop_token stop) {
  return prompt_line(prompt, prompt_fd, false, std::move(stop));
}

Result<std::string> read_line(std::string_view prompt, int prompt_fd, std::stop_token stop) {
  return prompt_line(prompt, prompt_fd, true, std::move(stop));
}

}  // namespace cairn::sys
