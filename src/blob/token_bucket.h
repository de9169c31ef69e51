// A rate limit that lends: takers never fail, they are told how long to sleep. (kopia-format §2.2)
#pragma once

#include <algorithm>
#include <cstdint>

namespace cairn::blob {

// Not thread-safe; time is given from outside.
class TokenBucket {
 public:
  // per_second ≤ 0: unlimited. Holds what a minute brings, and starts with a tenth of that.
  TokenBucket(double per_second, std::int64_t now_ns)
      : per_second_(per_second), tokens_(capacity() * 0.1), last_ns_(now_ns) {}

  double per_second() const { return per_second_; }

  // Takes n (negative: gives back). Returns the nanoseconds until the debt is paid.
  std::int64_t take(double n, std::int64_t now_ns) {
    if (per_second_ <= 0) {
      return 0;
    }
    const double elapsed_s = static_cast<double>(std::max<std::int64_t>(now_ns - last_ns_, 0)) / 1e9;
    last_ns_ = std::max(last_ns_, now_ns);
    tokens_ = std::min(tokens_ + elapsed_s * per_second_, capacity());
    tokens_ = std::min(tokens_ - n, capacity());
    return tokens_ >= 0 ? 0 : static_cast<std::int64_t>(std::min(-tokens_ / per_second_ * 1e9, 9e18));
  }

 private:
  double capacity() const { return per_second_ * 60; }
  double per_second_;
  double tokens_;
  std::int64_t last_ns_;
};

}  // namespace cairn::blob
