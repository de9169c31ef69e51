#include "blob/retry.h"

#include "blob/forwarding.h"

namespace cairn::blob {
namespace {

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
    return retry_call(options_, fmt::format("{}({})", call, id.text), stop, std::forward<F>(attempt));
  }

  const RetryOptions options_;
};

}  // namespace

StoragePtr with_retry(StoragePtr inner, RetryOptions options) {
  return std::make_shared<RetryStorage>(std::move(inner), options);
}

}  // namespace cairn::blob
