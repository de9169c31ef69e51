// Listing of directories at the speed of the kernel: names in one arena, attributes relative to the directory.
#pragma once

#include <cstdint>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "sys/file.h"

namespace cairn::sys {

// Plain data, 64 bytes. Everything after `error` is valid only when attributes were asked for and error is 0; `type`
// is what the directory says when they were not.
struct DirectoryEntry {
  std::uint32_t name_offset = 0;
  std::uint16_t name_size = 0;
  FileType type = FileType::unknown;
  std::uint8_t reserved = 0;
  std::int32_t error = 0;  // errno of the lstat, e.g. EACCES; entries that vanished are not listed at all
  std::uint32_t mode = 0;  // 07777
  std::uint32_t uid = 0, gid = 0;
  std::uint32_t link_count = 0;
  std::int64_t size = 0;
  Timestamp mtime;
  std::uint64_t dev = 0, ino = 0;
};

class DirectoryListing {
 public:
  std::span<const DirectoryEntry> entries() const { return entries_; }
  std::size_t size() const { return entries_.size(); }
  // Points into the listing; followed by a zero byte, so data() may go to the kernel.
  std::string_view name(const DirectoryEntry& e) const { return {names_.data() + e.name_offset, e.name_size}; }
  const char* c_name(const DirectoryEntry& e) const { return names_.data() + e.name_offset; }
  // Bytewise, the order of directory manifests.
  void sort_by_name();
  // Keeps the memory for the next directory.
  void clear();

 private:
  friend Status read_directory(int, bool, DirectoryListing&, std::stop_token);
  std::vector<DirectoryEntry> entries_;
  std::string names_;
};

// Follows a link at the end of the path.
Result<UniqueFd> open_directory(const std::string& path);
// Does not follow: a link in place of a directory is an error (invalid_argument or not_found).
Result<UniqueFd> open_directory_at(int dirfd, const char* name);

// Appends all entries but "." and ".." to `out` in the directory's own order. With attributes, each is lstat'ed
// relative to the descriptor (no sync with a remote file server is forced). Reads from the current position of the
// descriptor, which must be fresh.
Status read_directory(int dirfd, bool with_attributes, DirectoryListing& out, std::stop_token stop);

Result<std::string> read_link_at(int dirfd, const char* name);

}  // namespace cairn::sys
