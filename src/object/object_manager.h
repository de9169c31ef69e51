// Objects: byte strings of any length over contents. docs/format/objects.md (kopia-model §1)
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "content/content_manager.h"
#include "object/object_id.h"

namespace cairn::object {

struct IndirectEntry {
  std::int64_t start = 0, length = 0;
  ObjectId object;
};

struct WriterOptions {
  char prefix = 0;
  compress::HeaderId compressor = 0;
  compress::HeaderId metadata_compressor = 0;
  std::string splitter;  // "" or unknown = repository default
  // Chunks handed to this executor may be hashed and stored in parallel; null = inline.
  std::shared_ptr<class ChunkExecutor> executor;
};

// Where an ObjectWriter may have its chunks stored concurrently. Implemented by the uploader's worker pool.
class ChunkExecutor {
 public:
  virtual ~ChunkExecutor() = default;
  // Runs `job` now or later on some thread. May run it inline. Never waits for other jobs.
  virtual void execute(std::function<void()> job) = 0;
  // Runs queued jobs on the calling thread while it waits for `done`.
  virtual void help_until(const std::function<bool()>& done) = 0;
};

// Streaming writer of one object. Not thread-safe (its chunks may be stored by other threads).
class ObjectWriter {
 public:
  virtual ~ObjectWriter() = default;
  virtual Status write(ByteView data, std::stop_token stop) = 0;
  // Id of what has been cut into chunks so far, without flushing pending bytes; empty id when nothing was.
  virtual Result<ObjectId> checkpoint(std::stop_token stop) = 0;
  virtual Result<ObjectId> result(std::stop_token stop) = 0;
  virtual std::int64_t length() const = 0;
};

// Random access to one object. Thread-safe for read_at.
class ObjectReader {
 public:
  virtual ~ObjectReader() = default;
  virtual std::int64_t length() const = 0;
  // Up to out.size() bytes from `offset`; fewer only at the end.
  virtual Result<std::size_t> read_at(std::int64_t offset, MutByteView out, std::stop_token stop) = 0;
};

class ObjectManager {
 public:
  // `contents` must outlive it; `default_splitter` from the format ("" = FIXED).
  ObjectManager(content::ContentManager& contents, std::string default_splitter);
  ~ObjectManager();

  std::unique_ptr<ObjectWriter> new_writer(WriterOptions options);
  // One-shot write of small data.
  Result<ObjectId> write(ByteView data, WriterOptions options, std::stop_token stop);
  Result<std::unique_ptr<ObjectReader>> open(const ObjectId& id, std::stop_token stop);
  // Whole object in order, chunk by chunk (each ≤ one content). Lengths of entries are checked. Errors: corrupt,
  // not_found, invalid_argument (an id that is not readable), the sink's.
  Status read(const ObjectId& id, const std::function<Status(ByteView)>& sink, std::stop_token stop);
  Result<Buffer> read_all(const ObjectId& id, std::size_t size_max, std::stop_token stop);
  // Every direct chunk in order with its place in the object. `Z` and length rules as read(); contents are not fetched
  // (a direct object's length comes from the index).
  Status for_each_chunk(const ObjectId& id, const std::function<Status(const IndirectEntry&)>& fn,
                        std::stop_token stop);
  // Bytes of one chunk (direct id, decompressing Z).
  Result<Buffer> read_chunk(const ObjectId& direct, std::stop_token stop);
  // All content ids the object consists of, index objects included; each must be in the index. Errors: not_found.
  Status verify(const ObjectId& id, const std::function<Status(const ContentId&)>& fn, std::stop_token stop);
  Result<ObjectId> concatenate(const std::vector<ObjectId>& ids, compress::HeaderId metadata_compressor,
                               std::stop_token stop);
  content::ContentManager& contents() { return contents_; }
  const std::string& default_splitter() const { return default_splitter_; }

 private:
  content::ContentManager& contents_;
  std::string default_splitter_;
};

}  // namespace cairn::object
