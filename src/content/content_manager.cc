#include "content/content_manager.h"

#include "content/content_manager_internal.h"

namespace cairn::content {
namespace {

// Index plaintexts up to this size in all are kept in memory; what is beyond is mapped from disk.
constexpr std::size_t kIndexInMemoryMax = 16u << 20;

}  // namespace

Result<std::unique_ptr<ContentManager>> ContentManager::open(std::shared_ptr<blob::Storage> storage,
                                                             format::FormatManager& format, ContentOptions options,
                                                             std::stop_token stop) {
  auto manager = std::make_unique<ContentManagerImpl>(std::move(storage), format, std::move(options));
  TRY(manager->init(stop));
  return std::unique_ptr<ContentManager>(std::move(manager));
}

ContentManagerImpl::ContentManagerImpl(std::shared_ptr<blob::Storage> storage, format::FormatManager& format,
                                       ContentOptions options)
    : storage_(std::move(storage)),
      format_(format),
      options_(std::move(options)),
      plaintexts_(options_.cache.directory, kIndexInMemoryMax),
      committed_(options_.cache.directory) {}

ContentManagerImpl::~ContentManagerImpl() {
  for (auto& t : uploaders_) {
    t.request_stop();
  }
  uploaders_.clear();
}

Status ContentManagerImpl::init(std::stop_token stop) {
  const auto p = format_.current();
  TRY_ASSIGN(auto crypto, format::UnitCrypto::create(*p));
  crypto_ = std::move(crypto);
  if (p->epoch.enabled) {
    auto epochs = index::make_epoch_manager(
        storage_, crypto_, [this] { return format_.current()->epoch; }, *options_.clock);
    epochs_ = epochs.get();
    indexes_ = std::move(epochs);
  } else {
    indexes_ = index::make_legacy_index_manager(storage_, crypto_);
  }
  if (!p->enable_password_change) {
    const Buffer framed = format::frame_replica(format_.format_blob_bytes());
    replica_.assign(framed.view().begin(), framed.view().end());
  }
  const CacheSettings& cache = options_.cache;
  const SecretBytes key = format_.cache_key();
  const auto sub = [&](const char* name) { return cache.directory.empty() ? "" : cache.directory + "/" + name; };
  if (!cache.directory.empty()) {
    prepare_cache_directory(cache.directory);
  }
  const auto cap = [](std::int64_t soft, std::int64_t hard) { return hard > 0 ? std::min(soft, hard) : soft; };
  index_cache_ =
      BlobCache::open(sub("index-blobs"), key.view(), cap(cache.metadata_bytes_max, cache.metadata_bytes_limit),
                      cache.index_min_sweep_age, *options_.clock);
  metadata_cache_ =
      BlobCache::open(sub("metadata"), key.view(), cap(cache.metadata_bytes_max, cache.metadata_bytes_limit),
                      cache.metadata_min_sweep_age, *options_.clock);
  last_index_flush_ = options_.clock->now();
  if (!options_.defer_indexes) {
    TRY(refresh(stop));
  }
  if (!options_.read_only) {
    for (unsigned i = 0; i < std::max(1U, options_.upload_threads); ++i) {
      uploaders_.emplace_back([this](std::stop_token s) { upload_loop(s); });
    }
  }
  return {};
}

bool ContentManagerImpl::supports_content_compression() const { return format_.current()->index_version >= 2; }

WriteStats ContentManagerImpl::stats() const {
  const std::lock_guard lock(mutex_);
  return stats_;
}

void ContentManagerImpl::hold_index_flush(bool hold) {
  const std::lock_guard lock(mutex_);
  hold_index_ = hold;
}

}  // namespace cairn::content
