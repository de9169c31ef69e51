#include <algorithm>
#include <condition_variable>
#include <mutex>

#include "base/task_group.h"
#include "object/indirect.h"
#include "object/object_manager.h"
#include "object/object_writer.h"
#include "split/splitter.h"

namespace cairn::object {
namespace {

// Chunks of one writer that may be with the executor at once.
constexpr std::size_t kChunksInFlightMax = 3;

struct StoredChunk {
  ObjectId id;
  std::int64_t length = 0;
  bool done = false;
};

// Shared with the jobs, which may outlive a writer that was given up.
struct ChunkState {
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<StoredChunk> chunks;
  std::vector<Buffer> spare;
  std::size_t in_flight = 0;
  Status failed;
};

class Writer final : public ObjectWriter {
 public:
  Writer(content::ContentManager& contents, const std::string& default_splitter, WriterOptions options)
      : contents_(contents), default_splitter_(default_splitter), options_(std::move(options)) {
    const std::string& wanted = split::is_known(options_.splitter) ? options_.splitter : default_splitter_;
    auto made = split::Splitter::create(wanted.empty() ? "FIXED" : wanted);
    if (made.ok()) {
      splitter_ = std::move(*made);
    } else {
      state_->failed = std::move(made).status();
    }
  }

  ~Writer() override { (void)wait_until(0); }

  std::int64_t length() const override { return total_; }

  Status write(ByteView data, std::stop_token stop) override {
    TRY(failure());
    total_ += static_cast<std::int64_t>(data.size());
    while (!data.empty()) {
      const std::ptrdiff_t n = splitter_->next(data);
      const ByteView part = n < 0 ? data : data.first(static_cast<std::size_t>(n));
      if (n >= 0 && pending_.empty() && options_.executor == nullptr) {
        TRY(store_inline(part, stop));  // the whole chunk lies in the caller's bytes
      } else {
        pending_.append(part);
        if (n >= 0) {
          TRY(flush_chunk(stop));
        }
      }
      data = data.subspan(part.size());
    }
    return {};
  }

  Result<ObjectId> checkpoint(std::stop_token stop) override {
    TRY(wait_until(0));
    return assemble(stop);
  }

  Result<ObjectId> result(std::stop_token stop) override {
    TRY(failure());
    if (!pending_.empty() || chunk_count() == 0) {
      TRY(store_inline(pending_.view(), stop));
      pending_.clear();
    }
    TRY(wait_until(0));
    return assemble(stop);
  }

 private:
  Status failure() const {
    const std::lock_guard lock(state_->mutex);
    return state_->failed;
  }
  std::size_t chunk_count() const {
    const std::lock_guard lock(state_->mutex);
    return state_->chunks.size();
  }
  std::size_t new_chunk(std::size_t length) {
    const std::lock_guard lock(state_->mutex);
    state_->chunks.push_back({{}, static_cast<std::int64_t>(length), false});
    return state_->chunks.size() - 1;
  }

  Status store_inline(ByteView chunk, std::stop_token stop) {
    const std::size_t i = new_chunk(chunk.size());
    TRY_ASSIGN(const ObjectId id, store_chunk(contents_, chunk, options_.prefix, options_.compressor, stop));
    const std::lock_guard lock(state_->mutex);
    state_->chunks[i].id = id;
    state_->chunks[i].done = true;
    return {};
  }

  Status flush_chunk(std::stop_token stop) {
    if (options_.executor == nullptr) {
      TRY(store_inline(pending_.view(), stop));
      pending_.clear();
      return {};
    }
    TRY(wait_until(kChunksInFlightMax - 1));
    const std::size_t i = new_chunk(pending_.size());
    auto chunk = std::make_shared<Buffer>(std::move(pending_));
    {
      const std::lock_guard lock(state_->mutex);
      ++state_->in_flight;
    }
    options_.executor->execute([state = state_, chunk, i, &contents = contents_, prefix = options_.prefix,
                                compressor = options_.compressor, stop] {
      auto id = store_chunk(contents, chunk->view(), prefix, compressor, stop);
      const std::lock_guard lock(state->mutex);
      if (id.ok()) {
        state->chunks[i].id = *id;
        state->chunks[i].done = true;
      } else if (state->failed.ok()) {
        state->failed = std::move(id).status();
      }
      state->spare.push_back(std::move(*chunk));
      --state->in_flight;
      state->changed.notify_all();
    });
    {
      // Taken back only now: a chunk that was stored at once gives its own buffer to the next.
      const std::lock_guard lock(state_->mutex);
      if (!state_->spare.empty()) {
        pending_ = std::move(state_->spare.back());
        state_->spare.pop_back();
        pending_.clear();
      }
    }
    return failure();
  }

  // Until at most `n` chunks are with the executor.
  Status wait_until(std::size_t n) {
    const auto reached = [&] {
      const std::lock_guard lock(state_->mutex);
      return state_->in_flight <= n;
    };
    if (options_.executor != nullptr && !reached()) {
      options_.executor->help_until(reached);
    }
    std::unique_lock lock(state_->mutex);
    state_->changed.wait(lock, [&] { return state_->in_flight <= n; });
    return state_->failed;
  }

  Result<ObjectId> assemble(std::stop_token stop) {
    std::vector<IndirectEntry> entries;
    {
      const std::lock_guard lock(state_->mutex);
      TRY(state_->failed);
      std::int64_t start = 0;
      for (const StoredChunk& c : state_->chunks) {
        entries.push_back({start, c.length, c.id});
        start += c.length;
      }
    }
    if (entries.empty()) {
      return ObjectId{};
    }
    if (entries.size() == 1) {
      return entries[0].object;
    }
    return write_indirect(contents_, default_splitter_, entries, options_.prefix, options_.metadata_compressor, stop);
  }

  content::ContentManager& contents_;
  const std::string default_splitter_;
  const WriterOptions options_;
  std::unique_ptr<split::Splitter> splitter_;
  Buffer pending_;
  std::int64_t total_ = 0;
  std::shared_ptr<ChunkState> state_ = std::make_shared<ChunkState>();
};

}  // namespace

Result<ObjectId> store_chunk(content::ContentManager& contents, ByteView chunk, char prefix,
                             compress::HeaderId compressor, std::stop_token stop) {
  if (compressor != compress::kNone && prefix == 0 && !contents.supports_content_compression()) {
    // Index v1 cannot record compression: the chunk is compressed here and its id marked with Z.
    Buffer compressed;
    TRY(compress::compress(compressor, chunk, compressed));
    if (compressed.size() < chunk.size()) {
      TRY_ASSIGN(const ContentId id, contents.write(compressed.view(), prefix, compress::kNone, stop));
      return ObjectId{id, 0, true};
    }
    compressor = compress::kNone;
  }
  TRY_ASSIGN(const ContentId id, contents.write(chunk, prefix, compressor, stop));
  return ObjectId::direct(id);
}

Result<ObjectId> write_indirect(content::ContentManager& contents, const std::string& default_splitter,
                                const std::vector<IndirectEntry>& entries, char prefix,
                                compress::HeaderId metadata_compressor, std::stop_token stop) {
  WriterOptions options;
  options.prefix = prefix == 0 ? 'x' : prefix;
  options.compressor = options.metadata_compressor = metadata_compressor;
  Writer writer(contents, default_splitter, std::move(options));
  const std::string json = encode_indirect(entries);
  TRY(writer.write(as_bytes(json), stop));
  TRY_ASSIGN(ObjectId id, writer.result(stop));
  ++id.indirection;
  return id;
}

std::unique_ptr<ObjectWriter> ObjectManager::new_writer(WriterOptions options) {
  return std::make_unique<Writer>(contents_, default_splitter_, std::move(options));
}

}  // namespace cairn::object
