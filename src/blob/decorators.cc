#include "blob/decorators.h"

#include <algorithm>

#include "blob/forwarding.h"

namespace cairn::blob {
namespace {

class ReadOnlyStorage final : public ForwardingStorage {
 public:
  using ForwardingStorage::ForwardingStorage;
  using Storage::put;
  Result<BlobMetadata> put(const BlobId&, GatherView, const PutOptions&, std::stop_token) override { return refuse(); }
  Status remove(const BlobId&, std::stop_token) override { return refuse(); }
  Status extend_retention(const BlobId&, const std::string&, Duration, std::stop_token) override { return refuse(); }
  bool read_only() const override { return true; }

 private:
  static Status refuse() { return error(Code::permission_denied, "storage is read-only"); }
};

class MetricsStorage final : public ForwardingStorage {
 public:
  MetricsStorage(StoragePtr inner, std::shared_ptr<StorageMetrics> metrics)
      : ForwardingStorage(std::move(inner)), metrics_(std::move(metrics)) {}
  using Storage::put;

  Result<Buffer> get(const BlobId& id, ByteRange range, std::stop_token stop) override {
    ++metrics_->gets;
    auto result = inner().get(id, range, std::move(stop));
    if (result.ok()) {
      metrics_->bytes_read += static_cast<std::int64_t>(result->size());
    }
    count_error(result.code());
    return result;
  }
  Result<BlobMetadata> metadata(const BlobId& id, std::stop_token stop) override {
    ++metrics_->metadata;
    auto result = inner().metadata(id, std::move(stop));
    count_error(result.code());
    return result;
  }
  Status list(std::string_view prefix, const ListCallback& callback, std::stop_token stop) override {
    ++metrics_->lists;
    // An error of the callback is not one of the storage.
    bool callback_failed = false;
    const auto counted = [&](const BlobMetadata& blob) {
      Status status = callback(blob);
      callback_failed |= !status.ok();
      return status;
    };
    Status status = inner().list(prefix, counted, std::move(stop));
    if (!callback_failed) {
      count_error(status.code());
    }
    return status;
  }
  Result<BlobMetadata> put(const BlobId& id, GatherView data, const PutOptions& options,
                           std::stop_token stop) override {
    ++metrics_->puts;
    auto result = inner().put(id, data, options, std::move(stop));
    if (result.ok()) {
      metrics_->bytes_written += static_cast<std::int64_t>(gather_size(data));
    }
    count_error(result.code());
    return result;
  }
  Status remove(const BlobId& id, std::stop_token stop) override {
    ++metrics_->removes;
    Status status = inner().remove(id, std::move(stop));
    count_error(status.code());
    return status;
  }

 private:
  // A blob that is not there, and a caller who no longer wants the answer, are no errors of the storage.
  void count_error(Code code) {
    if (code != Code::ok && code != Code::not_found && code != Code::cancelled) {
      ++metrics_->errors;
    }
  }
  std::shared_ptr<StorageMetrics> metrics_;
};

class RetentionStorage final : public ForwardingStorage {
 public:
  RetentionStorage(StoragePtr inner, std::string mode, Duration period)
      : ForwardingStorage(std::move(inner)), mode_(std::move(mode)), period_(period) {}
  using Storage::put;

  Result<BlobMetadata> put(const BlobId& id, GatherView data, const PutOptions& options,
                           std::stop_token stop) override {
    if (!is_protected(id) || !options.retention_mode.empty()) {
      return inner().put(id, data, options, std::move(stop));
    }
    PutOptions with_retention = options;
    with_retention.retention_mode = mode_;
    with_retention.retention_period = period_;
    return inner().put(id, data, with_retention, std::move(stop));
  }

 private:
  static bool is_protected(const BlobId& id) {
    constexpr std::array<std::string_view, 6> kPrefixes = {"n", "x", "kopia.repository", "kopia.blobcfg", "p", "q"};
    return std::any_of(kPrefixes.begin(), kPrefixes.end(), [&](std::string_view p) { return id.starts_with(p); });
  }
  const std::string mode_;
  const Duration period_;
};

}  // namespace

StoragePtr with_read_only(StoragePtr inner) { return std::make_shared<ReadOnlyStorage>(std::move(inner)); }

StoragePtr with_metrics(StoragePtr inner, std::shared_ptr<StorageMetrics> metrics) {
  return std::make_shared<MetricsStorage>(std::move(inner), std::move(metrics));
}

StoragePtr with_retention(StoragePtr inner, std::string mode, Duration period) {
  return std::make_shared<RetentionStorage>(std::move(inner), std::move(mode), period);
}

}  // namespace cairn::blob
