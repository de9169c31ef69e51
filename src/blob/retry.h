// The one retry loop: used by the retry decorator, and by stores for the pages of a listing, which only they can
// repeat.
#pragma once

#include <algorithm>

#include "base/log.h"
#include "base/random.h"
#include "base/sleep.h"
#include "blob/decorators.h"

namespace cairn::blob {

namespace retry_detail {
inline const Status& status_of(const Status& s) { return s; }
template <class T>
Status status_of(const Result<T>& r) {
  return r.status();
}
// The back-off with up to 20 % less, so that clients that failed together do not come back together. A wait that the
// server asked for is not shortened.
inline std::int64_t next_wait_ns(const RetryOptions& options, double delay_ns, double retry_after_seconds) {
  const double capped = std::min(delay_ns, static_cast<double>(options.delay_max.ns));
  const double jittered = capped * (1.0 - 0.2 * static_cast<double>(random_u64() % 1024) / 1024.0);
  return static_cast<std::int64_t>(std::max(jittered, std::min(retry_after_seconds, 3600.0) * 1e9));
}
}  // namespace retry_detail

// Calls attempt() (→ Status or Result) until it succeeds, fails for good, or attempts or budget are used up. `what`
// names the call in messages.
template <class F>
auto retry_call(const RetryOptions& options, std::string_view what, const std::stop_token& stop, F&& attempt)
    -> decltype(attempt()) {
  const std::int64_t end_ns = monotonic_ns() + options.budget.ns;
  double delay_ns = static_cast<double>(options.first_delay.ns);
  for (int n = 1;; ++n) {
    auto result = attempt();
    if (result.ok() || !code_facts(result.code()).retryable || stop.stop_requested()) {
      return result;
    }
    const Status failed = retry_detail::status_of(result);
    const std::int64_t wait_ns = retry_detail::next_wait_ns(options, delay_ns, failed.retry_after_seconds());
    if (n >= options.attempts_max || monotonic_ns() + wait_ns > end_ns) {
      return Status(failed).with_frame(fmt::format("{} failed {} times", what, n));
    }
    log::debug("blob", "{}: {}, retrying in {}", what, failed.message(), go_duration({wait_ns}));
    if (!sleep_for({wait_ns}, stop)) {
      return error(Code::cancelled, "{}: stopped after: {}", what, failed.message());
    }
    delay_ns *= options.factor;
  }
}

}  // namespace cairn::blob
