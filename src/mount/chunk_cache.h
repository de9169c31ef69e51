// Pieces of files in memory, and files read through them.
#pragma once

#include <condition_variable>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/task_group.h"
#include "object/object_manager.h"

namespace cairn::mount {

inline constexpr std::size_t kCacheBytesMax = 96u << 20;

// Thread-safe. A chunk that several ask for is read once.
class ChunkCache {
 public:
  ChunkCache(object::ObjectManager& objects, std::size_t bytes_max);
  ~ChunkCache();
  // The bytes of one chunk of an object. Errors: those of the object.
  Result<std::shared_ptr<const Buffer>> get(const object::ObjectId& chunk, std::stop_token stop);
  // Starts to read it in the background, unless it is there or too much is under way.
  void fetch_ahead(const object::ObjectId& chunk);
  object::ObjectManager& objects() { return objects_; }

 private:
  struct Entry {
    std::shared_ptr<const Buffer> bytes;  // null while it is being read
    std::list<std::string>::iterator place;
  };
  void put(const std::string& key, std::shared_ptr<const Buffer> bytes);

  object::ObjectManager& objects_;
  const std::size_t bytes_max_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::unordered_map<std::string, Entry> entries_;
  std::list<std::string> used_;  // most recently used first; only what is there
  std::size_t bytes_ = 0;
  unsigned ahead_ = 0;  // fetches under way
  std::stop_source stop_;
  TaskGroup workers_;  // last: ends first
};

// One open file. Thread-safe.
class OpenFile {
 public:
  static Result<std::unique_ptr<OpenFile>> open(ChunkCache& cache, const object::ObjectId& id, std::stop_token stop);
  // Up to out.size() bytes; fewer only at the end.
  Result<std::size_t> read(std::int64_t offset, MutByteView out, std::stop_token stop);
  std::int64_t length() const { return length_; }

 private:
  explicit OpenFile(ChunkCache& cache) : cache_(cache) {}
  void read_ahead(std::size_t chunk);
  ChunkCache& cache_;
  std::vector<object::IndirectEntry> chunks_;
  std::int64_t length_ = 0;
  std::mutex mutex_;
  std::size_t next_ = 0;  // the chunk that a reader in order comes to next
  std::size_t run_ = 0;   // chunks read in order so far
};

}  // namespace cairn::mount
