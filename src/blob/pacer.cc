#include "blob/pacer.h"

#include <algorithm>

#include "base/sleep.h"

namespace cairn::blob {
namespace {

constexpr std::int64_t kFirstNs = milliseconds(5).ns, kMaxNs = seconds(1).ns;
constexpr double kSilenceMaxSeconds = 300;

}  // namespace

bool Pacer::wait(std::stop_token stop) {
  const std::int64_t now = monotonic_ns();
  std::int64_t start = now;
  {
    auto state = state_.lock();
    if (state->distance_ns == 0 && state->next_start_ns <= now) {
      return !stop.stop_requested();
    }
    start = std::max(now, state->next_start_ns);
    state->next_start_ns = start + state->distance_ns;
  }
  return sleep_for({start - now}, std::move(stop));
}

void Pacer::throttled(double retry_after_seconds) {
  auto state = state_.lock();
  state->distance_ns = std::clamp(state->distance_ns * 2, kFirstNs, kMaxNs);
  const double silence = std::min(retry_after_seconds, kSilenceMaxSeconds);
  state->next_start_ns = std::max(state->next_start_ns, monotonic_ns() + static_cast<std::int64_t>(silence * 1e9));
}

void Pacer::succeeded() {
  auto state = state_.lock();
  state->distance_ns -= state->distance_ns / 16;
  if (state->distance_ns < kFirstNs / 2) {
    state->distance_ns = 0;
  }
}

Duration Pacer::distance() { return {state_.lock()->distance_ns}; }

}  // namespace cairn::blob
