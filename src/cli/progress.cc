#include "cli/progress.h"

#include <unistd.h>

#include "cli/console.h"
#include "cli/context.h"

namespace cairn::cli {

ProgressLine::ProgressLine(const Context& context) : ProgressLine(context.progress(), context.progress_interval()) {}

bool ProgressLine::due() {
  if (!enabled_) {
    return false;
  }
  const std::int64_t now = monotonic_ns();
  const std::lock_guard lock(mutex_);
  if (last_ns_ != 0 && now - last_ns_ < interval_.ns) {
    return false;
  }
  last_ns_ = now;
  return true;
}

void ProgressLine::show(const std::string& text) {
  if (!enabled_) {
    return;
  }
  const std::lock_guard lock(mutex_);
  std::string line = "\r" + text;
  if (text.size() < shown_columns_) {
    line.append(shown_columns_ - text.size(), ' ');
  }
  shown_columns_ = text.size();
  shown_ = true;
  write_fd(STDERR_FILENO, line);  // under the lock, which only other progress texts wait for
}

void ProgressLine::finish() {
  const std::lock_guard lock(mutex_);
  if (shown_) {
    write_fd(STDERR_FILENO, "\n");
  }
  shown_ = false;
  shown_columns_ = 0;
}

char ProgressLine::spin() {
  const std::lock_guard lock(mutex_);
  return "|/-\\"[turn_++ % 4];
}

}  // namespace cairn::cli
