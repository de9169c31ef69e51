#include "mount/chunk_cache.h"

#include <algorithm>
#include <cstring>

namespace cairn::mount {
namespace {

constexpr unsigned kWorkers = 4;
constexpr unsigned kAheadMax = 4;

}  // namespace

ChunkCache::ChunkCache(object::ObjectManager& objects, std::size_t bytes_max)
    : objects_(objects),
      bytes_max_(bytes_max),
      workers_({.worker_count = kWorkers, .queue_max = kAheadMax}, stop_.get_token()) {}

ChunkCache::~ChunkCache() { stop_.request_stop(); }

void ChunkCache::put(const std::string& key, std::shared_ptr<const Buffer> bytes) {
  Entry& entry = entries_[key];
  bytes_ += bytes->size();
  entry.bytes = std::move(bytes);
  entry.place = used_.insert(used_.begin(), key);
  while (bytes_ > bytes_max_ && used_.size() > 1) {
    const auto oldest = entries_.find(used_.back());
    bytes_ -= oldest->second.bytes->size();
    entries_.erase(oldest);
    used_.pop_back();
  }
}

Result<std::shared_ptr<const Buffer>> ChunkCache::get(const object::ObjectId& chunk, std::stop_token stop) {
  const std::string key = chunk.text();
  {
    std::unique_lock lock(mutex_);
    for (;;) {
      const auto it = entries_.find(key);
      if (it == entries_.end()) {
        entries_[key] = {};
        break;
      }
      if (it->second.bytes) {
        used_.splice(used_.begin(), used_, it->second.place);
        return it->second.bytes;
      }
      if (!changed_.wait(lock, stop, [&] {
            const auto now = entries_.find(key);
            return now == entries_.end() || now->second.bytes != nullptr;
          })) {
        return error(Code::cancelled, "cancelled");
      }
    }
  }
  Result<Buffer> read = objects_.read_chunk(chunk, std::move(stop));
  const std::scoped_lock lock(mutex_);
  changed_.notify_all();
  if (!read.ok()) {
    entries_.erase(key);
    return std::move(read).status();
  }
  auto bytes = std::make_shared<const Buffer>(std::move(*read));
  put(key, bytes);
  return bytes;
}

void ChunkCache::fetch_ahead(const object::ObjectId& chunk) {
  {
    const std::scoped_lock lock(mutex_);
    if (ahead_ >= kAheadMax || entries_.contains(chunk.text())) {
      return;
    }
    ++ahead_;
  }
  const bool taken = workers_.submit([this, chunk](std::stop_token stop) -> Status {
    (void)get(chunk, std::move(stop)).ok();  // whoever reads it sees the error
    const std::scoped_lock lock(mutex_);
    --ahead_;
    return {};
  });
  if (!taken) {
    const std::scoped_lock lock(mutex_);
    --ahead_;
  }
}

Result<std::unique_ptr<OpenFile>> OpenFile::open(ChunkCache& cache, const object::ObjectId& id, std::stop_token stop) {
  std::unique_ptr<OpenFile> file(new OpenFile(cache));
  const auto add = [&](const object::IndirectEntry& e) -> Status {
    file->length_ = e.start + e.length;
    if (e.length > 0) {
      file->chunks_.push_back(e);
    }
    return {};
  };
  TRY(cache.objects().for_each_chunk(id, add, std::move(stop)));
  return file;
}

void OpenFile::read_ahead(std::size_t chunk) {
  std::size_t ahead = 0;  // the longer the reader goes on in order, the more
  {
    const std::scoped_lock lock(mutex_);
    if (chunk + 1 != next_) {
      run_ = chunk == next_ ? run_ + 1 : 0;
    }
    next_ = chunk + 1;
    ahead = std::min<std::size_t>(run_, kAheadMax);
  }
  for (std::size_t i = chunk + 1; i < chunks_.size() && i <= chunk + ahead; ++i) {
    cache_.fetch_ahead(chunks_[i].object);
  }
}

Result<std::size_t> OpenFile::read(std::int64_t offset, MutByteView out, std::stop_token stop) {
  if (offset < 0 || offset >= length_) {
    return std::size_t{0};
  }
  auto it = std::ranges::upper_bound(chunks_, offset, {}, &object::IndirectEntry::start);
  std::size_t done = 0;
  for (auto chunk = it - 1; chunk != chunks_.end() && done < out.size(); ++chunk) {
    read_ahead(static_cast<std::size_t>(chunk - chunks_.begin()));
    TRY_ASSIGN(const auto bytes, cache_.get(chunk->object, stop));
    if (static_cast<std::int64_t>(bytes->size()) != chunk->length) {
      return error(Code::corrupt, "object {} has {} bytes, expected {}", chunk->object.text(), bytes->size(),
                   chunk->length);
    }
    const auto from = static_cast<std::size_t>(offset + static_cast<std::int64_t>(done) - chunk->start);
    const std::size_t n = std::min(out.size() - done, bytes->size() - from);
    std::memcpy(out.data() + done, bytes->data() + from, n);
    done += n;
  }
  return done;
}

}  // namespace cairn::mount
