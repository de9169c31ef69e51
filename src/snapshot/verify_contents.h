// Reads, decrypts, decompresses and hashes contents in the order of the packs, in batches of bounded size.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "repo/repository.h"
#include "snapshot/tree_walk.h"

namespace cairn::snapshot {

// Packs by number, so that an item does not carry a name.
class PackTable {
 public:
  std::uint32_t add(const std::string& name);
  const std::string& name(std::uint32_t number) const;

 private:
  mutable std::mutex mutex_;
  std::unordered_map<std::string, std::uint32_t> numbers_;
  std::vector<const std::string*> names_;
};

class ContentVerifier {
 public:
  struct Callbacks {
    // Once for each file of which a content is damaged. Any thread.
    std::function<void(const std::string& path, const Status& status)> on_error;
    // All contents of the file are good.
    std::function<void(std::int64_t length)> on_file_read;
  };
  ContentVerifier(repo::Repository& repository, unsigned threads, std::size_t batch_max, Callbacks callbacks);

  // Any thread. Works off a batch when enough has come together, and waits when too much has.
  Status add(const std::string& path, const object::ObjectId& object, std::int64_t length,
             const std::vector<content::ContentInfo>& contents, std::stop_token stop);
  // The rest.
  Status finish(std::stop_token stop);

 private:
  struct Item {
    ContentId id;
    std::uint32_t pack, offset, packed_length, original_length;
    compress::HeaderId compression;
    std::uint32_t file;
  };
  struct File {
    std::string path;
    object::ObjectId object;
    std::int64_t length = 0;
    std::uint32_t remaining = 0;
    bool failed = false;
  };
  struct Batch {
    std::vector<Item> items;
    std::vector<File> files;
    std::mutex mutex;  // files, while the batch is worked off
  };
  struct Range {
    std::size_t first, last;  // items
    std::uint32_t offset, length;
  };
  struct Lanes;

  static std::vector<Range> ranges_of(const std::vector<Item>& items);
  Status work_off(std::unique_ptr<Batch> batch, std::stop_token stop);
  Status verify_range(Batch& batch, const Range& range, std::stop_token stop);
  Status check_lanes(Batch& batch, Lanes& lanes, std::stop_token stop);
  Result<Buffer> decode(const Item& item, ByteView stored) const;
  // The definite answer for one content, by the ordinary way.
  Status verify_slowly(Batch& batch, std::size_t item, std::stop_token stop);
  void settle(Batch& batch, std::size_t item, const Status& status);
  void file_failed(const std::string& path, const object::ObjectId& object, const Status& status);

  repo::Repository& repository_;
  const unsigned threads_;
  const std::size_t batch_max_;
  const Callbacks callbacks_;
  PackTable packs_;
  ObjectIdSet good_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::unique_ptr<Batch> batch_;
  bool working_ = false;
  std::unordered_map<ContentId, Status> bad_;
};

}  // namespace cairn::snapshot
