// Log files of command runs (kopia-interfaces §1.4): names, segments, the `latest.log` link, sweeping. Nothing here
// ever fails a command.
#pragma once

#include <memory>
#include <string>

#include "base/log.h"
#include "base/time.h"

namespace cairn::cli {

struct LogFileOptions {
  std::string directory;  // holds cli-logs and content-logs; "" = no log
  std::string file{};     // this file instead of a generated name
  std::string command{};  // words joined by dashes, part of the name
  log::Level level = log::Level::debug;
  bool json = false;
  bool local_time = false;
  std::int64_t segment_bytes_max = 50'000'000;
};
// Makes the directories. Null, after a line on standard error, when they or the file cannot be made.
std::shared_ptr<log::Sink> make_log_file_sink(const LogFileOptions& options);

struct SweepLimits {
  std::int64_t files_max = 1000;
  Duration age_max = hours(720);
  std::int64_t bytes_max = 1'000'000'000;
};
// Removes the oldest files named kopia-*.log beyond any of the limits; other files are left alone.
void sweep_logs(const std::string& directory, const SweepLimits& limits, Timestamp now);

}  // namespace cairn::cli
