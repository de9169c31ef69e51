// Reads, decrypts, decompresses and hashes contents in the order of the packs, in batches of bounded size.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "content/pack_ranges.h"
#include "repo/repository.h"
#include "snapshot/byte_budget.h"
#include "snapshot/tree_walk.h"

namespace cairn::snapshot {

class ContentVerifier {
 public:
  struct Callbacks {
    // Once for each file of which a content is damaged. Any thread.
    std::function<void(const std::string& path, const Status& status)> on_error;
    // All contents of the file are good.
    std::function<void(std::int64_t length)> on_file_read;
  };
  struct Options {
    unsigned threads = 1;              // ranges read at once
    std::size_t batch_max = 1;         // contents sorted together
    content::RangeLimits limits = {};  // of one request
  };
  ContentVerifier(repo::Repository& repository, const Options& options, Callbacks callbacks);

  // Any thread. Works off a batch when enough has come together, and waits when too much has.
  Status add(const std::string& path, const object::ObjectId& object, std::int64_t length,
             const std::vector<content::ContentInfo>& contents, std::stop_token stop);
  // The rest.
  Status finish(std::stop_token stop);

 private:
  struct File {
    std::string path;
    object::ObjectId object;
    std::int64_t length = 0;
    std::uint32_t remaining = 0;
    bool failed = false;
  };
  struct Batch {
    std::vector<content::ContentPlace> items;  // owner: its file
    std::vector<File> files;
    std::mutex mutex;  // files, while the batch is worked off
  };

  Status work_off(std::unique_ptr<Batch> batch, std::stop_token stop);
  // The definite answer for one content, by the ordinary way.
  Status verify_slowly(Batch& batch, std::size_t item, std::stop_token stop);
  void settle(Batch& batch, std::size_t item, const Status& status);
  void file_failed(const std::string& path, const object::ObjectId& object, const Status& status);

  repo::Repository& repository_;
  const Options options_;
  ByteBudget budget_;
  const Callbacks callbacks_;
  content::PackTable packs_;
  ObjectIdSet good_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::unique_ptr<Batch> batch_;
  bool working_ = false;
  std::unordered_map<ContentId, Status> bad_;
};

}  // namespace cairn::snapshot
