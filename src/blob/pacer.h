// Slows a store down as far as its server asks for, and no further.
#pragma once

#include <stop_token>

#include "base/guarded.h"
#include "base/time.h"

namespace cairn::blob {

// Keeps a distance between the starts of requests: none at first; each "too many requests" doubles it (from 5 ms up to
// 1 s) and may name a time until which nothing is sent; answers in between shrink it again. Thread-safe.
class Pacer {
 public:
  // Waits for this request's turn. False when stopped.
  bool wait(std::stop_token stop);
  // The server refused for load; it asked for that many seconds of silence (0: it did not say).
  void throttled(double retry_after_seconds);
  void succeeded();
  Duration distance();

 private:
  struct State {
    std::int64_t next_start_ns = 0, distance_ns = 0;
  };
  Guarded<State> state_;
};

}  // namespace cairn::blob
