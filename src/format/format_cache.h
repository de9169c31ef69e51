// The two format blobs as files of the cache directory, so that a short-lived process need not fetch them. The file's
// time decides how long it may be used. Nothing here ever fails an operation.
#pragma once

#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/time.h"

namespace cairn::format {

class FormatCache {
 public:
  // "" = no cache.
  explicit FormatCache(std::string directory) : directory_(std::move(directory)) {}

  struct Cached {
    Bytes bytes;
    Timestamp read_at;
  };
  // Absent when missing, unreadable, older than `age_max` or from the future.
  std::optional<Cached> get(const char* name, Duration age_max, Timestamp now) const;
  void put(const char* name, ByteView bytes) const;
  void remove(const char* name) const;

 private:
  std::string directory_;
};

}  // namespace cairn::format
