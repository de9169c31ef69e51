// Waiting that a stop request ends.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <stop_token>

#include "base/time.h"

namespace cairn {

// False when stopped before the time was over.
inline bool sleep_for(Duration d, std::stop_token stop) {
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  never.wait_for(lock, stop, std::chrono::nanoseconds(d.ns), [] { return false; });
  return !stop.stop_requested();
}

}  // namespace cairn
