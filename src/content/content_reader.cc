// Reading contents and keeping the committed index fresh.
#include <algorithm>
#include <set>

#include "base/log.h"
#include "base/sleep.h"
#include "base/task_group.h"
#include "content/content_info.h"
#include "content/content_manager_internal.h"

namespace cairn::content {
namespace {

constexpr std::size_t kContentSizeMax = std::size_t{1} << 28;
constexpr unsigned kIndexLoadParallelism = 16;
constexpr std::int64_t kIndexBytesInFlightMax = 32 << 20;

}  // namespace

Status ContentManagerImpl::refresh_if_stale(std::stop_token stop) {
  if (options_.clock->now().ns - last_refresh_ns_ < options_.refresh_interval.ns) {
    return {};
  }
  return refresh(stop);
}

Result<ContentManagerImpl::ReaderPtr> ContentManagerImpl::load_index_blob(const BlobId& id, std::stop_token stop) {
  std::optional<Buffer> stored = index_cache_->get(id.text);
  const bool cached = stored.has_value();
  if (!cached) {
    TRY_ASSIGN(stored, storage_->get(id, {}, stop), "error loading index blob {}", id.text);
  }
  auto plain = crypto_->open_blob(id, stored->view());
  if (!plain.ok() && cached) {
    index_cache_->remove(id.text);
    TRY_ASSIGN(stored, storage_->get(id, {}, stop), "error loading index blob {}", id.text);
    plain = crypto_->open_blob(id, stored->view());
  }
  TRY(plain, "unable to decrypt index blob {}", id.text);
  if (!cached) {
    index_cache_->put(id.text, stored->view());
  }
  stored.reset();
  TRY_ASSIGN(auto reader, plaintexts_.open(std::move(*plain), crypto_->encryptor().overhead()), "bad index blob {}",
             id.text);
  if (reader.size() > 0 && reader.key_size() != crypto_->hasher().size() + 1) {
    return error(Code::corrupt, "bad index blob {}: key size {}", id.text, reader.key_size());
  }
  return std::make_shared<const index::IndexReader>(std::move(reader));
}

// Side by side: many requests to a distant store, many small decryptions; large ones only as memory allows.
Status ContentManagerImpl::load_index_blobs(const std::vector<blob::BlobMetadata>& blobs,
                                            std::map<BlobId, ReaderPtr>& readers, std::stop_token stop) {
  std::mutex mutex;
  std::condition_variable_any room;
  std::int64_t in_flight = 0;
  return parallel_for(blobs.size(), kIndexLoadParallelism, stop, [&](std::size_t n, std::stop_token inner) -> Status {
    const blob::BlobMetadata& blob = blobs[n];
    {
      std::unique_lock lock(mutex);
      if (!room.wait(lock, inner,
                     [&] { return in_flight == 0 || in_flight + blob.length <= kIndexBytesInFlightMax; })) {
        return {Code::cancelled, "cancelled"};
      }
      in_flight += blob.length;
    }
    auto reader = load_index_blob(blob.id, inner);
    const std::lock_guard lock(mutex);
    in_flight -= blob.length;
    room.notify_all();
    TRY(reader);
    readers.emplace(blob.id, std::move(*reader));
    return {};
  });
}

Status ContentManagerImpl::refresh(std::stop_token stop) {
  const std::lock_guard once(refresh_mutex_);
  // A blob that vanishes between listing and reading was compacted away: list again.
  constexpr int kAttemptsMax = 10;
  for (int attempt = 0;; ++attempt) {
    const std::int64_t started = options_.clock->now().ns;
    TRY_ASSIGN(const index::ActiveSet active, indexes_->active(stop), "error loading indexes");
    const auto known = committed_.readers();
    std::map<BlobId, ReaderPtr> readers;
    std::set<BlobId> secondary;
    std::vector<blob::BlobMetadata> missing;
    for (std::size_t i = 0; i < active.blobs.size(); ++i) {
      const BlobId& id = active.blobs[i].id;
      if (i >= active.primary_count) {
        secondary.insert(id);
      }
      if (const auto it = known.find(id); it != known.end()) {
        readers.insert(*it);
      } else {
        missing.push_back(active.blobs[i]);
      }
    }
    Status failed = load_index_blobs(missing, readers, stop);
    {
      const std::lock_guard lock(mutex_);
      readers.insert(spilled_.begin(), spilled_.end());
    }
    if (failed.ok()) {
      TRY(committed_.assign(std::move(readers), secondary, active.deletion_watermark), "error loading indexes");
      last_refresh_ns_ = started;
      ++revision_;
      return {};
    }
    if (!failed.is(Code::not_found) || attempt + 1 >= kAttemptsMax || stop.stop_requested()) {
      return failed;
    }
    indexes_->invalidate();
    sleep_for(milliseconds(100LL << attempt), stop);
  }
}

Result<std::optional<ContentManagerImpl::Located>> ContentManagerImpl::locate(const ContentId& id) {
  {
    std::unique_lock lock(mutex_);
    const std::uint32_t at = pending_.find(id);
    if (at != PendingTable::kNone) {
      // Another thread may be sealing it; it never waits for us.
      changed_.wait(lock, [&] { return at >= pending_.size() || pending_[at].state != PendingState::encoding; });
    }
    const std::uint32_t now_at = pending_.find(id);
    if (now_at != PendingTable::kNone && pending_[now_at].state != PendingState::forgotten) {
      Located l;
      l.info = info_of(index_entry(pending_[now_at]));
      if (pending_[now_at].state == PendingState::ready) {
        const PackPtr& pack = packs_[pending_[now_at].pack];
        if (pack->state != PackState::stored) {
          l.pending_pack = pack;
        }
      }
      return std::optional<Located>(std::move(l));
    }
  }
  TRY_ASSIGN(const auto found, committed_.find(id));
  if (!found) {
    return std::optional<Located>();
  }
  return std::optional<Located>(Located{info_of(found->entry), nullptr});
}

Result<Buffer> ContentManagerImpl::fetch(const Located& at, std::stop_token stop) {
  const ContentInfo& i = at.info;
  if (i.packed_length > kContentSizeMax) {
    return error(Code::corrupt, "content {} has impossible length {}", i.id.text(), i.packed_length);
  }
  if (at.pending_pack != nullptr) {
    const std::lock_guard lock(mutex_);
    if (at.pending_pack->state != PackState::stored) {
      std::vector<ByteView> parts;
      at.pending_pack->bytes.pieces(i.pack_offset, i.packed_length, parts);
      Buffer out;
      out.reserve(i.packed_length);
      for (const ByteView& p : parts) {
        out.append(p);
      }
      return out;
    }
  }
  if (i.pack.starts_with("q") && metadata_cache_->enabled() && metadata_cache_works_) {
    return fetch_metadata(i, stop);
  }
  auto stored = storage_->get(i.pack, {i.pack_offset, i.packed_length}, stop);
  if (stored.code() == Code::invalid_argument) {
    return error(Code::corrupt, "blob {} is shorter than its index says: {}", i.pack.text, stored.status().message());
  }
  return stored;
}

// Metadata packs are fetched whole once and then read from the cache; who needs one that is being fetched waits for it.
Result<Buffer> ContentManagerImpl::fetch_metadata(const ContentInfo& i, std::stop_token stop) {
  if (auto cached = metadata_cache_->get_range(i.pack.text, i.pack_offset, i.packed_length)) {
    return std::move(*cached);
  }
  const std::lock_guard one_at_a_time(metadata_fetch_[std::hash<BlobId>()(i.pack) % metadata_fetch_.size()]);
  if (auto cached = metadata_cache_->get_range(i.pack.text, i.pack_offset, i.packed_length)) {
    return std::move(*cached);
  }
  if (!metadata_cache_works_) {
    return storage_->get(i.pack, {i.pack_offset, i.packed_length}, stop);
  }
  TRY_ASSIGN(const Buffer pack, storage_->get(i.pack, {}, stop));
  if (!metadata_cache_->put(i.pack.text, pack.view())) {
    metadata_cache_works_ = false;  // full or unwritable: from now on only the ranges that are needed
  }
  if (std::size_t{i.pack_offset} + i.packed_length <= pack.size()) {
    return Buffer::copy_of(pack.view().subspan(i.pack_offset, i.packed_length));
  }
  return error(Code::corrupt, "blob {} is shorter than its index says", i.pack.text);
}

Result<Buffer> ContentManagerImpl::decode(const ContentInfo& info, ByteView stored) const {
  std::size_t repaired = 0;
  TRY_ASSIGN(Buffer plain, crypto_->open(info.id.iv(), stored, &repaired));
  if (repaired != 0) {
    log::warning("content", "content {} in pack {}: {} damaged shards were corrected by ECC", info.id.text(),
                 info.pack.text, repaired);
  }
  if (info.compression != 0) {
    Buffer raw;
    TRY(compress::decompress(info.compression, plain.view(), raw, info.original_length, kContentSizeMax));
    plain = std::move(raw);
  }
  HashValue h;
  crypto_->hasher().hash(plain.view(), h);
  if (h.size != info.id.size || std::memcmp(h.bytes.data(), info.id.hash.data(), h.size) != 0) {
    return error(Code::corrupt, "content does not match its hash");
  }
  return plain;
}

Result<Buffer> ContentManagerImpl::read(const ContentId& id, std::stop_token stop) {
  TRY(refresh_if_stale(stop));
  for (int attempt = 0;; ++attempt) {
    TRY_ASSIGN(const auto at, locate(id));
    if (!at) {
      return error(Code::not_found, "content {} not found", id.text());
    }
    auto stored = fetch(*at, stop);
    if (stored.ok()) {
      auto plain = decode(at->info, stored->view());
      if (plain.ok()) {
        return plain;
      }
      // What is cached may be damage that has been repaired in the storage since.
      if (attempt == 0 && at->info.pack.starts_with("q") && metadata_cache_->enabled()) {
        metadata_cache_->remove(at->info.pack.text);
        continue;
      }
      return std::move(plain).status().with_frame(
          fmt::format("invalid checksum or damaged data of content {} in blob {} at offset {} length {}", id.text(),
                      at->info.pack.text, at->info.pack_offset, at->info.packed_length));
    }
    // A concurrent rewrite may have moved the content: look again once.
    if (stored.code() == Code::not_found && attempt == 0) {
      TRY(refresh(stop));
      continue;
    }
    return std::move(stored).status().with_frame(
        fmt::format("error getting content {} from blob {}", id.text(), at->info.pack.text));
  }
}

Result<ContentInfo> ContentManagerImpl::info(const ContentId& id, std::stop_token stop) {
  TRY(refresh_if_stale(stop));
  TRY_ASSIGN(auto at, locate(id));
  if (!at) {
    return error(Code::not_found, "content {} not found", id.text());
  }
  return std::move(at->info);
}

Status ContentManagerImpl::iterate(const IterateOptions& options, const std::function<Status(const ContentInfo&)>& fn,
                                   std::stop_token stop) {
  TRY(refresh_if_stale(stop));
  const bool all = options.first.empty() && options.last.empty();
  const auto wanted = [&](const ContentId& id) {
    const std::string text = all ? "" : id.text();
    return all || (text >= options.first && (options.last.empty() || text < options.last));
  };
  std::vector<ContentInfo> pending;
  {
    const std::lock_guard lock(mutex_);
    for (const PendingEntry& e : pending_.entries()) {
      if (e.state == PendingState::ready || e.state == PendingState::marker) {
        if (ContentInfo i = info_of(index_entry(e)); wanted(i.id)) {
          pending.push_back(std::move(i));
        }
      }
    }
  }
  std::ranges::sort(pending, {}, &ContentInfo::id);
  const auto emit = [&](const ContentInfo& i) -> Status {
    if (stop.stop_requested()) {
      return Status(Code::cancelled, "cancelled");
    }
    if (i.deleted && !options.include_deleted) {
      return {};
    }
    return fn(i);
  };
  std::size_t next = 0;
  TRY(committed_.for_each(options.first, options.last, [&](const index::Entry& e) -> Status {
    while (next < pending.size() && pending[next].id < e.id) {
      TRY(emit(pending[next++]));
    }
    if (next < pending.size() && pending[next].id == e.id) {
      return emit(pending[next++]);
    }
    return emit(info_of(e));
  }));
  while (next < pending.size()) {
    TRY(emit(pending[next++]));
  }
  return {};
}

}  // namespace cairn::content
