// A line on standard error that is rewritten in place. Silent unless progress is wanted.
#pragma once

#include <mutex>
#include <string>

#include "base/time.h"

namespace cairn::cli {

class Context;

class ProgressLine {
 public:
  explicit ProgressLine(const Context& context);
  // Silent when `enabled` is false.
  ProgressLine(bool enabled, Duration interval) : enabled_(enabled), interval_(interval) {}
  bool enabled() const { return enabled_; }
  // Is it time for an update? At most once an interval, and then true for one caller only.
  bool due();
  // Shows the text: carriage return, text, blanks over the rest of the former one. Thread-safe.
  void show(const std::string& text);
  // Ends the line with a newline if anything was shown.
  void finish();
  // Next of | / - \ each call.
  char spin();

 private:
  std::mutex mutex_;
  bool enabled_, shown_ = false;
  Duration interval_;
  std::int64_t last_ns_ = 0;
  std::size_t shown_columns_ = 0;
  unsigned turn_ = 0;
};

}  // namespace cairn::cli
