// Where a run tells what it does; lines without a newline at their end.
#pragma once

#include <functional>
#include <string>

namespace cairn::maintenance {

struct Report {
  std::function<void(const std::string& line)> line;
  // What is under way and how far: parts of `total` (0 = not known yet).
  std::function<void(const char* phase, std::int64_t done, std::int64_t total)> progress;

  void say(const std::string& text) const {
    if (line) {
      line(text);
    }
  }
  void step(const char* phase, std::int64_t done, std::int64_t total) const {
    if (progress) {
      progress(phase, done, total);
    }
  }
};

}  // namespace cairn::maintenance
