#include <algorithm>

#include "base/log.h"
#include "base/random.h"
#include "base/sleep.h"
#include "blob/decorators.h"
#include "blob/forwarding.h"

namespace cairn::blob {
namespace {

Code code_of(const Status& s) { return s.code(); }
template <class T>
Code code_of(const Result<T>& r) {
  return r.code();
}
const Status& status_of(const Status& s) { return s; }
template <class T>
Status status_of(const Result<T>& r) {
  return r.status();
}

class RetryStorage final : public ForwardingStorage {
 public:
  RetryStorage(StoragePtr inner, RetryOptions options) : ForwardingStorage(std::move(inner)), options_(options) {}
  using Storage::put;

  Result<Buffer> get(const BlobId& id, ByteRange range, std::stop_token stop) override {
    return retry("GetBlob", id, stop, [&] { return inner().get(id, range, stop); });
  }
  Result<BlobMetadata> metadata(const BlobId& id, std::stop_token stop) override {
    return retry("GetMetadata", id, stop, [&] { return inner().metadata(id, stop); });
  }
  Result<BlobMetadata> put(const BlobId& id, GatherView data, const PutOptions& options,
                           std::stop_token stop) override {
    return retry("PutBlob", id, stop, [&] { return inner().put(id, data, options, stop); });
  }
  Status remove(const BlobId& id, std::stop_token stop) override {
    return retry("DeleteBlob", id, stop, [&] { return inner().remove(id, stop); });
  }

 private:
  template <class F>
  auto retry(const char* call, const BlobId& id, const std::stop_token& stop, F&& attempt) const
      -> decltype(attempt()) {
    const std::int64_t end_ns = monotonic_ns() + options_.budget.ns;
    double delay_ns = static_cast<double>(options_.first_delay.ns);
    for (int n = 1;; ++n) {
      auto result = attempt();
      if (result.ok() || !code_facts(code_of(result)).retryable || stop.stop_requested()) {
        return result;
      }
      const Status failed = status_of(result);
      const std::int64_t wait_ns = next_wait(delay_ns, failed.retry_after_seconds());
      if (n >= options_.attempts_max || monotonic_ns() + wait_ns > end_ns) {
        return Status(failed).with_frame(fmt::format("{}({}) failed {} times", call, id.text, n));
      }
      log::debug("blob", "{}({}): {}, retrying in {}", call, id.text, failed.message(), go_duration({wait_ns}));
      if (!sleep_for({wait_ns}, stop)) {
        return error(Code::cancelled, "{}({}): stopped after: {}", call, id.text, failed.message());
      }
      delay_ns *= options_.factor;
    }
  }

  // The back-off with up to 20 % less, so that clients that failed together do not come back together. A wait that the
  // server asked for is not shortened.
  std::int64_t next_wait(double delay_ns, double retry_after_seconds) const {
    const double capped = std::min(delay_ns, static_cast<double>(options_.delay_max.ns));
    const double jittered = capped * (1.0 - 0.2 * static_cast<double>(random_u64() % 1024) / 1024.0);
    return static_cast<std::int64_t>(std::max(jittered, std::min(retry_after_seconds, 3600.0) * 1e9));
  }

  const RetryOptions options_;
};

}  // namespace

StoragePtr with_retry(StoragePtr inner, RetryOptions options) {
  return std::make_shared<RetryStorage>(std::move(inner), options);
}

}  // namespace cairn::blob
