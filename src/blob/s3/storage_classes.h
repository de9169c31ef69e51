// Rules of the object `.storageconfig`: which blobs go into which storage class (kopia-format §2.7).
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/status.h"

namespace cairn::blob {

inline constexpr std::string_view kStorageConfigName = ".storageconfig";

class StorageClasses {
 public:
  // Errors: corrupt.
  static Result<StorageClasses> parse(ByteView json);
  // "" : the bucket's default. The first rule whose prefix fits decides.
  const std::string& class_of(const BlobId& id) const;

 private:
  struct Rule {
    std::string prefix, storage_class;
  };
  std::vector<Rule> rules_;
};

// The rules, read while the first requests are under way: only writes need them. Thread-safe.
class StorageClassesAhead {
 public:
  using Read = std::function<Result<StorageClasses>(std::stop_token)>;
  // Nothing to read: everything goes into the bucket's default.
  StorageClassesAhead() : rules_(StorageClasses()) {}
  explicit StorageClassesAhead(Read read);
  // Waits for them. Errors: those of reading; cancelled.
  Result<std::string> class_of(const BlobId& id, const std::stop_token& stop);

 private:
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::optional<Result<StorageClasses>> rules_;
  std::jthread reader_;  // last: ends before what it writes to
};

}  // namespace cairn::blob
