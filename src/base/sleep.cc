#include "base/sleep.h"

#include <chrono>
#include <condition_variable>
#include <mutex>

namespace cairn {

Status sleep_for(Duration d, std::stop_token stop) {
  std::mutex mutex;
  std::condition_variable_any wake;
  std::unique_lock lock(mutex);
  wake.wait_for(lock, stop, std::chrono::nanoseconds(d.ns), [] { return false; });
  return stop.stop_requested() ? error(Code::cancelled, "stopped") : Status();
}

}  // namespace cairn
