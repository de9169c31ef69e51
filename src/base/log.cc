#include "base/log.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <shared_mutex>
#include <vector>

namespace cairn::log {
namespace {

struct State {
  std::shared_mutex mutex;
  std::vector<std::shared_ptr<Sink>> sinks;
  std::atomic<Level> lowest{Level::error};
};
State& state() {
  static State* s = new State();  // never destroyed: threads may log during exit
  return *s;
}

}  // namespace

void add_sink(std::shared_ptr<Sink> sink) {
  State& s = state();
  const std::unique_lock lock(s.mutex);
  s.sinks.push_back(std::move(sink));
  Level lowest = Level::error;
  for (const auto& each : s.sinks) {
    lowest = std::min(lowest, each->level());
  }
  s.lowest = lowest;
}

void clear_sinks() {
  State& s = state();
  const std::unique_lock lock(s.mutex);
  s.sinks.clear();
  s.lowest = Level::error;
}

bool enabled(Level level) { return level >= state().lowest.load(std::memory_order_relaxed); }

void write(Level level, std::string_view module, std::string_view message, std::string_view fields) {
  State& s = state();
  std::vector<std::shared_ptr<Sink>> sinks;
  {
    const std::shared_lock lock(s.mutex);
    sinks = s.sinks;
  }
  for (const auto& sink : sinks) {
    if (level >= sink->level()) {
      sink->write(level, module, message, fields);
    }
  }
}

}  // namespace cairn::log
