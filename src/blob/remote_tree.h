// A directory tree on another machine: what the sharded stores (sftp, webdav, rclone) have in common is built on it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "blob/storage.h"

namespace cairn::blob {

struct TreeEntry {
  std::string name;  // without directory
  bool is_directory = false;
  std::int64_t size = 0;
  Timestamp mtime;
};

enum class Existing { replace, keep };

struct WriteOptions {
  Existing existing = Existing::replace;  // keep: already_exists when the file is there
  std::optional<Timestamp> mtime;         // unsupported where the server cannot
};

// Paths are relative to the root, "" is the root itself. Thread-safe; every call has a deadline and obeys `stop`.
// Errors as those of Storage; a connection that was lost is unavailable.
class RemoteTree {
 public:
  virtual ~RemoteTree() = default;
  // As Storage::get, with a length other than 0.
  virtual Result<Buffer> read(const std::string& path, ByteRange range, std::stop_token stop) = 0;
  virtual Result<TreeEntry> stat(const std::string& path, std::stop_token stop) = 0;
  // The entries of each directory, in the order of `directories`. A directory may fail alone (not_found); the call
  // fails when the server does.
  using Listing = std::vector<TreeEntry>;
  virtual Result<std::vector<Result<Listing>>> list(const std::vector<std::string>& directories,
                                                    std::stop_token stop) = 0;
  // Whole or not at all, under a temporary name first unless the server promises as much. Directories below the root
  // are made when missing, the root never (failed_precondition). Returns the server's time of the file.
  virtual Result<Timestamp> write(const std::string& path, GatherView data, const WriteOptions& options,
                                  std::stop_token stop) = 0;
  // A missing file is success.
  virtual Status remove(const std::string& path, std::stop_token stop) = 0;
  // With parents; success when it is there.
  virtual Status make_root(std::stop_token stop) = 0;
  virtual Result<Capacity> capacity();
};

}  // namespace cairn::blob
