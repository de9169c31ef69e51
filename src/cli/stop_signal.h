// SIGINT and SIGTERM as a stop token. The first signal requests the stop; the second one ends the process at once.
#pragma once

#include <stop_token>
#include <thread>

namespace cairn::cli {

class StopSignal {
 public:
  StopSignal();
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;
  std::stop_token token() const { return source_.get_token(); }

 private:
  std::stop_source source_;
  std::jthread watcher_;
};

}  // namespace cairn::cli
