#include "cli/password.h"

#include <poll.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>

#include "base/bytes.h"
#include "base/units.h"
#include "cli/context.h"

namespace cairn::cli {
namespace {

// Turns echo off for its life.
class SilentTerminal {
 public:
  Status open() {
    if (::tcgetattr(STDIN_FILENO, &saved_) != 0) {
      return error(Code::failed_precondition, "{}", errno_text(errno));
    }
    termios silent = saved_;
    silent.c_lflag = (silent.c_lflag & ~static_cast<tcflag_t>(ECHO)) | ICANON | ISIG;
    silent.c_iflag |= ICRNL;
    if (::tcsetattr(STDIN_FILENO, TCSANOW, &silent) != 0) {
      return error(Code::failed_precondition, "{}", errno_text(errno));
    }
    open_ = true;
    return {};
  }
  SilentTerminal() = default;
  SilentTerminal(const SilentTerminal&) = delete;
  SilentTerminal& operator=(const SilentTerminal&) = delete;
  ~SilentTerminal() {
    if (open_) {
      ::tcsetattr(STDIN_FILENO, TCSANOW, &saved_);
    }
  }

 private:
  termios saved_{};
  bool open_ = false;
};

Result<std::string> read_line(const std::stop_token& stop) {
  constexpr std::size_t kLengthMax = 64 * 1024;
  std::string line;
  line.reserve(kLengthMax);  // never moved, so that no copy of the secret stays behind
  while (line.size() < kLengthMax) {
    pollfd wait{STDIN_FILENO, POLLIN, 0};
    const int ready = ::poll(&wait, 1, 100);
    if (stop.stop_requested()) {
      wipe(line);
      return error(Code::cancelled, "interrupted");
    }
    if (ready <= 0) {
      continue;
    }
    char c = 0;
    const ssize_t n = ::read(STDIN_FILENO, &c, 1);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) {
      continue;
    }
    if (n < 0) {
      return errno_status(errno, "read");
    }
    if (n == 0 && line.empty()) {
      return error(Code::failed_precondition, "EOF");
    }
    if (n == 0 || c == '\n') {
      break;
    }
    line.push_back(c);
  }
  return line;
}

Result<std::string> ask_once(Context& context, const std::string& question) {
  context.write(question);
  TRY(context.finish());
  SilentTerminal terminal;
  TRY(terminal.open(), "password prompt error");
  Result<std::string> line = read_line(context.stop());
  context.write("\n");
  TRY(line, "password prompt error");
  std::string answer(trim(*line));
  wipe(*line);
  return answer;
}

}  // namespace

Result<std::string> ask_password(Context& context, const std::string& question) {
  constexpr int kTriesMax = 5;
  for (int i = 0; i < kTriesMax; ++i) {
    TRY_ASSIGN(std::string answer, ask_once(context, question));
    if (!answer.empty()) {
      return answer;
    }
  }
  return error(Code::failed_precondition, "can't get password");
}

Result<std::string> ask_new_password(Context& context, const std::string& question) {
  for (;;) {
    TRY_ASSIGN(std::string first, ask_password(context, question));
    TRY_ASSIGN(std::string second, ask_password(context, "Re-enter password for verification: "));
    const bool same = first == second;
    wipe(second);
    if (same) {
      return first;
    }
    wipe(first);
    context.write("Passwords don't match!\n");
  }
}

}  // namespace cairn::cli
