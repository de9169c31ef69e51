// The bytes of one restored file: space reserved first, holes kept when asked for, the page cache avoided for big ones.
#pragma once

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "sys/file.h"

namespace cairn::snapshot {

class FileWriter;

struct FileTarget {
  sys::UniqueFd fd;
  std::string temporary;                // name until the file is complete; "" = written in place
  std::optional<mode_t> existing_mode;  // of the file that will be replaced
  bool created = false;                 // did not exist before: removed when abandoned
  bool regular = true;
  std::unique_ptr<FileWriter> writer;
};

// Thread-safe for disjoint ranges.
class FileWriter {
 public:
  virtual ~FileWriter() = default;
  // The descriptor stays the target's. Errors: resource_exhausted when the volume cannot hold `length`.
  static Result<std::unique_ptr<FileWriter>> create(const FileTarget& target, std::int64_t length, bool sparse);
  virtual Status write_at(std::int64_t offset, ByteView bytes) = 0;
  // Called once after all writes.
  virtual Status finish() = 0;
};

// Removes what was created.
void abandon_target(FileTarget& target, int dirfd, const std::string& name);

}  // namespace cairn::snapshot
