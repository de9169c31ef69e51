#include "base/sleep.h"

#include <chrono>
#include <condition_variable>
#include <mutex>

namespace cairn {

bool sleep_for(Duration d, std::stop_token stop) {
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  never.wait_for(lock, stop, std::chrono::nanoseconds(d.ns), [] { return false; });
  return !stop.stop_requested();
}

}  // namespace cairn
