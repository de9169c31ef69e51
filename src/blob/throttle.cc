#include <condition_variable>
#include <mutex>

#include "base/sleep.h"
#include "blob/decorators.h"
#include "blob/forwarding.h"
#include "blob/token_bucket.h"

namespace cairn::blob {
namespace {

// Taken before a download whose size is not known, settled after it.
constexpr double kUnknownDownloadBytes = 20'000'000;

class Limiter final : public Throttle {
 public:
  enum Bucket { reads, writes, lists, upload, download, bucket_count };

  explicit Limiter(const ThrottleLimits& limits) { set_limits(limits); }

  void set_limits(const ThrottleLimits& limits) override {
    const double rates[] = {limits.reads_per_second, limits.writes_per_second, limits.lists_per_second,
                            limits.upload_bytes_per_second, limits.download_bytes_per_second};
    {
      const std::lock_guard lock(mutex_);
      limits_ = limits;
      for (std::size_t i = 0; i < bucket_count; ++i) {
        // A bucket whose rate stays keeps its level, so that changing another limit grants nothing.
        if (buckets_[i].per_second() != rates[i]) {
          buckets_[i] = TokenBucket(rates[i], monotonic_ns());
        }
      }
    }
    changed_.notify_all();
  }

  ThrottleLimits limits() const override {
    const std::lock_guard lock(mutex_);
    return limits_;
  }

  Status take(Bucket bucket, double n, const std::stop_token& stop) {
    std::int64_t wait_ns;
    {
      const std::lock_guard lock(mutex_);
      wait_ns = buckets_[bucket].take(n, monotonic_ns());
    }
    if (wait_ns > 0 && !sleep_for({wait_ns}, stop)) {
      return error(Code::cancelled, "stopped");
    }
    return {};
  }

  // A place among the calls that may run at a time; given back by the destructor.
  class Place {
   public:
    Place(Limiter& limiter, bool write) : limiter_(&limiter), write_(write) {}
    Place(Place&& o) noexcept : limiter_(std::exchange(o.limiter_, nullptr)), write_(o.write_) {}
    Place& operator=(Place&&) = delete;
    ~Place() {
      if (limiter_ != nullptr) {
        limiter_->leave(write_);
      }
    }

   private:
    Limiter* limiter_;
    bool write_;
  };

  Result<Place> enter(bool write, const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    const auto has_room = [&] {
      const int max = write ? limits_.concurrent_writes : limits_.concurrent_reads;
      return max <= 0 || active_[write ? 1 : 0] < max;
    };
    if (!changed_.wait(lock, stop, has_room)) {
      return error(Code::cancelled, "stopped");
    }
    ++active_[write ? 1 : 0];
    return Place(*this, write);
  }

 private:
  void leave(bool write) {
    {
      const std::lock_guard lock(mutex_);
      --active_[write ? 1 : 0];
    }
    changed_.notify_all();
  }

  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  ThrottleLimits limits_;
  std::array<TokenBucket, bucket_count> buckets_{TokenBucket{0, 0}, TokenBucket{0, 0}, TokenBucket{0, 0},
                                                 TokenBucket{0, 0}, TokenBucket{0, 0}};
  std::array<int, 2> active_{};
};

class ThrottleStorage final : public ForwardingStorage {
 public:
  ThrottleStorage(StoragePtr inner, std::shared_ptr<Limiter> limiter)
      : ForwardingStorage(std::move(inner)), limiter_(std::move(limiter)) {}
  using Storage::put;

  Result<Buffer> get(const BlobId& id, ByteRange range, std::stop_token stop) override {
    TRY_ASSIGN(const auto place, limiter_->enter(false, stop));
    TRY(limiter_->take(Limiter::reads, 1, stop));
    const double taken = range.length >= 0 ? static_cast<double>(range.length) : kUnknownDownloadBytes;
    TRY(limiter_->take(Limiter::download, taken, stop));
    auto result = inner().get(id, range, stop);
    const double moved = result.ok() ? static_cast<double>(result->size()) : 0;
    // The bytes are here: a stop that comes now must not throw them away, and later calls pay the rest anyway.
    (void)limiter_->take(Limiter::download, moved - taken, stop).ok();
    return result;
  }
  Result<BlobMetadata> metadata(const BlobId& id, std::stop_token stop) override {
    TRY_ASSIGN(const auto place, limiter_->enter(false, stop));
    TRY(limiter_->take(Limiter::reads, 1, stop));
    return inner().metadata(id, stop);
  }
  Status list(std::string_view prefix, const ListCallback& callback, std::stop_token stop) override {
    TRY(limiter_->take(Limiter::lists, 1, stop));
    return inner().list(prefix, callback, stop);
  }
  Result<BlobMetadata> put(const BlobId& id, GatherView data, const PutOptions& options,
                           std::stop_token stop) override {
    TRY_ASSIGN(const auto place, limiter_->enter(true, stop));
    TRY(limiter_->take(Limiter::writes, 1, stop));
    TRY(limiter_->take(Limiter::upload, static_cast<double>(gather_size(data)), stop));
    return inner().put(id, data, options, stop);
  }
  Status remove(const BlobId& id, std::stop_token stop) override {
    TRY_ASSIGN(const auto place, limiter_->enter(true, stop));
    TRY(limiter_->take(Limiter::writes, 1, stop));
    return inner().remove(id, stop);
  }

 private:
  std::shared_ptr<Limiter> limiter_;
};

}  // namespace

Json ThrottleLimits::to_json() const {
  Json json = Json::object();
  json.set_omitempty("readsPerSecond", reads_per_second);
  json.set_omitempty("writesPerSecond", writes_per_second);
  json.set_omitempty("listsPerSecond", lists_per_second);
  json.set_omitempty("maxUploadSpeedBytesPerSecond", upload_bytes_per_second);
  json.set_omitempty("maxDownloadSpeedBytesPerSecond", download_bytes_per_second);
  json.set_omitempty("concurrentReads", concurrent_reads);
  json.set_omitempty("concurrentWrites", concurrent_writes);
  return json;
}

ThrottleLimits ThrottleLimits::from_json(const Json& config) {
  ThrottleLimits limits;
  limits.reads_per_second = config["readsPerSecond"].as_double();
  limits.writes_per_second = config["writesPerSecond"].as_double();
  limits.lists_per_second = config["listsPerSecond"].as_double();
  limits.upload_bytes_per_second = config["maxUploadSpeedBytesPerSecond"].as_double();
  limits.download_bytes_per_second = config["maxDownloadSpeedBytesPerSecond"].as_double();
  limits.concurrent_reads = static_cast<int>(config["concurrentReads"].as_int());
  limits.concurrent_writes = static_cast<int>(config["concurrentWrites"].as_int());
  return limits;
}

ThrottledStorage with_throttle(StoragePtr inner, const ThrottleLimits& limits) {
  auto limiter = std::make_shared<Limiter>(limits);
  return {std::make_shared<ThrottleStorage>(std::move(inner), limiter), limiter};
}

}  // namespace cairn::blob
