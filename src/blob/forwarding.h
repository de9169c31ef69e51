// Base of decorators: every call goes to the inner storage.
#pragma once

#include "blob/storage.h"

namespace cairn::blob {

class ForwardingStorage : public Storage {
 public:
  explicit ForwardingStorage(std::shared_ptr<Storage> inner) : inner_(std::move(inner)) {}
  using Storage::put;
  Result<Buffer> get(const BlobId& id, ByteRange range, std::stop_token stop) override {
    return inner_->get(id, range, std::move(stop));
  }
  Result<BlobMetadata> metadata(const BlobId& id, std::stop_token stop) override {
    return inner_->metadata(id, std::move(stop));
  }
  Status list(std::string_view prefix, const ListCallback& callback, std::stop_token stop) override {
    return inner_->list(prefix, callback, std::move(stop));
  }
  Result<BlobMetadata> put(const BlobId& id, GatherView data, const PutOptions& options,
                           std::stop_token stop) override {
    return inner_->put(id, data, options, std::move(stop));
  }
  Status remove(const BlobId& id, std::stop_token stop) override { return inner_->remove(id, std::move(stop)); }
  Status extend_retention(const BlobId& id, const std::string& mode, Duration period, std::stop_token stop) override {
    return inner_->extend_retention(id, mode, period, std::move(stop));
  }
  Result<Capacity> capacity() override { return inner_->capacity(); }
  ConnectionInfo connection_info() const override { return inner_->connection_info(); }
  std::string display_name() const override { return inner_->display_name(); }
  bool read_only() const override { return inner_->read_only(); }

 protected:
  Storage& inner() const { return *inner_; }

 private:
  std::shared_ptr<Storage> inner_;
};

}  // namespace cairn::blob
