// Log lines on standard error: the bare message, fields after a tab.
#pragma once

#include <memory>

#include "base/log.h"

namespace cairn::cli {

struct ConsoleOptions {
  log::Level level = log::Level::info;
  bool json = false;
  bool timestamps = false;  // local "15:04:05.000 " in front
  bool colour = false;      // warnings yellow, errors bright red
};
std::shared_ptr<log::Sink> make_console_sink(ConsoleOptions options);

std::string_view level_name(log::Level level);  // "DEBUG", "INFO", "WARN", "ERROR"
// One JSON object of a line, without newline.
std::string json_log_line(log::Level level, std::string_view module, std::string_view message, std::string_view fields);

// Writes all of `text` to a descriptor; a failure is not reported.
void write_fd(int fd, std::string_view text);

}  // namespace cairn::cli
