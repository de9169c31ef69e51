#include "cli/upload_view.h"

#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>

#include "base/units.h"
#include "cli/context.h"
#include "sys/terminal.h"

namespace cairn::cli {

UploadView::UploadView(Context& context)
    : line_(context), details_(context.program() == "cairn"), start_ns_(monotonic_ns()) {
  if (line_.enabled()) {
    const Duration interval = std::max(context.progress_interval(), milliseconds(50));
    thread_ = std::jthread([this, interval](std::stop_token stop) {
      std::mutex mutex;
      std::condition_variable_any tick;
      std::unique_lock lock(mutex);
      while (!stop.stop_requested()) {
        tick.wait_for(lock, stop, std::chrono::nanoseconds(interval.ns), [] { return false; });
        if (!stop.stop_requested()) {
          line_.show(text(line_.spin()));
        }
      }
    });
  }
}

UploadView::~UploadView() { finish(); }

void UploadView::finish() {
  if (thread_.joinable()) {
    thread_.request_stop();
    thread_.join();
    details_ = false;
    line_.show(text('*'));
    line_.finish();
  }
}

void UploadView::on_entry_error(const std::string& path, const std::string& message, bool ignored) {
  const std::string line = fmt::format("{}{} when processing \"{}\": {}{}", shown() ? "\n ! " : "",
                                       ignored ? "Ignored error" : "Error", path, message, shown() ? "\n" : "");
  log::write(ignored ? log::Level::warning : log::Level::error, kLogModule, line);
}

std::string UploadView::estimate_text() const {
  const std::int64_t total = counters.estimated_bytes;
  if (total < 0) {
    return "estimating...";
  }
  const std::int64_t done = counters.hashed_bytes + counters.cached_bytes;
  const double percent =
      total > 0 ? std::min(100.0, 100.0 * static_cast<double>(done) / static_cast<double>(total)) : 100.0;
  std::string out = fmt::format("estimated {} ({:.1f}%)", bytes_text(total), percent);
  const double elapsed = static_cast<double>(monotonic_ns() - start_ns_) / 1e9;
  if (done > 0 && elapsed > 0) {
    const auto left = static_cast<std::int64_t>(
        std::max(0.0, static_cast<double>(total - done) * elapsed / static_cast<double>(done)));
    out += ' ' + go_duration(seconds(left)) + " left";
  }
  return out;
}

std::string UploadView::text(char spinner) const {
  const snapshot::UploadCounters& c = counters;
  std::string out = fmt::format(" {} {} hashing, {} hashed ({}), {} cached ({}), uploaded {}", spinner,
                                c.hashing_files.load(), c.hashed_files.load(), bytes_text(c.hashed_bytes),
                                c.cached_files.load(), bytes_text(c.cached_bytes), bytes_text(c.uploaded_bytes));
  if (c.errors > 0) {
    out += fmt::format(" ({} fatal errors)", c.errors.load());
  }
  if (c.ignored_errors > 0) {
    out += fmt::format(" ({} errors ignored)", c.ignored_errors.load());
  }
  out += ", " + estimate_text();
  if (!details_) {
    return out;
  }
  const double elapsed = static_cast<double>(monotonic_ns() - start_ns_) / 1e9;
  if (elapsed > 0) {
    out += ", " + speed_text(static_cast<double>(c.hashed_bytes) / elapsed);
  }
  // The path takes what is left of the line; its end says most.
  const auto width = static_cast<std::size_t>(std::max(sys::terminal_width(STDERR_FILENO), 1)) - 1;
  std::string path = current_path();
  std::replace_if(
      path.begin(), path.end(), [](char ch) { return static_cast<unsigned char>(ch) < 0x20; }, '?');
  if (out.size() + 10 < width && !path.empty()) {
    const std::size_t room = width - out.size() - 2;
    out += ", " + (path.size() > room ? path.substr(path.size() - room) : path);
  }
  return out;
}

}  // namespace cairn::cli
