#include "blob/memory/memory_storage.h"

#include <map>
#include <mutex>

namespace cairn::blob {
namespace {

struct StoredBlob {
  std::shared_ptr<const Buffer> bytes;
  Timestamp time;
};

class MemoryStorage final : public Storage {
 public:
  explicit MemoryStorage(const Clock& clock) : clock_(clock) {}
  using Storage::put;

  Result<Buffer> get(const BlobId& id, ByteRange range, std::stop_token stop) override {
    TRY(check(stop));
    if (range.offset < 0) {
      return error(Code::invalid_argument, "invalid range");
    }
    TRY_ASSIGN(const StoredBlob blob, find(id));
    if (range.length == 0) {
      return Buffer();
    }
    const auto size = static_cast<std::int64_t>(blob.bytes->size());
    if (range.offset > size || range.length > size - range.offset) {
      return error(Code::invalid_argument, "invalid range");
    }
    const std::int64_t length = range.length < 0 ? size - range.offset : range.length;
    return Buffer::copy_of(
        blob.bytes->view().subspan(static_cast<std::size_t>(range.offset), static_cast<std::size_t>(length)));
  }

  Result<BlobMetadata> metadata(const BlobId& id, std::stop_token stop) override {
    TRY(check(stop));
    TRY_ASSIGN(const StoredBlob blob, find(id));
    return BlobMetadata{id, static_cast<std::int64_t>(blob.bytes->size()), blob.time};
  }

  Status list(std::string_view prefix, const ListCallback& callback, std::stop_token stop) override {
    std::vector<BlobMetadata> found;
    {
      const std::lock_guard lock(mutex_);
      for (auto it = blobs_.lower_bound(prefix); it != blobs_.end() && it->first.starts_with(prefix); ++it) {
        found.push_back({BlobId(it->first), static_cast<std::int64_t>(it->second.bytes->size()), it->second.time});
      }
    }
    for (const BlobMetadata& blob : found) {
      TRY(check(stop));
      TRY(callback(blob));
    }
    return check(stop);
  }

  Result<BlobMetadata> put(const BlobId& id, GatherView data, const PutOptions& options,
                           std::stop_token stop) override {
    TRY(check(stop));
    if (id.empty() || id.text.find_first_of(std::string_view("/\0", 2)) != std::string::npos) {
      return error(Code::invalid_argument, "invalid blob ID \"{}\"", id.text);
    }
    auto bytes = std::make_shared<Buffer>();
    bytes->reserve(gather_size(data));
    for (const ByteView part : data) {
      bytes->append(part);
    }
    const Timestamp time = options.set_mtime.value_or(clock_.now());
    const auto size = static_cast<std::int64_t>(bytes->size());
    const std::lock_guard lock(mutex_);
    if (options.do_not_recreate && blobs_.contains(id.text)) {
      return error(Code::already_exists, "blob {} already exists", id.text);
    }
    blobs_[id.text] = StoredBlob{std::move(bytes), time};
    return BlobMetadata{id, size, time};
  }

  Status remove(const BlobId& id, std::stop_token stop) override {
    TRY(check(stop));
    const std::lock_guard lock(mutex_);
    blobs_.erase(id.text);
    return {};
  }

  Status extend_retention(const BlobId& id, const std::string&, Duration, std::stop_token stop) override {
    TRY(check(stop));
    return find(id).status();
  }

  ConnectionInfo connection_info() const override { return {"memory", Json::object()}; }
  std::string display_name() const override { return "Memory"; }

 private:
  static Status check(const std::stop_token& stop) {
    return stop.stop_requested() ? error(Code::cancelled, "stopped") : Status();
  }
  Result<StoredBlob> find(const BlobId& id) {
    const std::lock_guard lock(mutex_);
    const auto it = blobs_.find(id.text);
    if (it == blobs_.end()) {
      return error(Code::not_found, "blob {} not found", id.text);
    }
    return it->second;
  }

  const Clock& clock_;
  std::mutex mutex_;
  std::map<std::string, StoredBlob, std::less<>> blobs_;
};

}  // namespace

std::shared_ptr<Storage> make_memory_storage(const Clock& clock) { return std::make_shared<MemoryStorage>(clock); }

}  // namespace cairn::blob
