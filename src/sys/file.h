// Files by path and by descriptor. The only places that make system calls on files are here and in this folder.
// (The build finds "sys/…" through -iquote, so <sys/file.h> remains the C library's.)
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "base/bytes.h"
#include "base/status.h"
#include "base/time.h"

namespace cairn::sys {

// Owner of a descriptor.
class UniqueFd {
 public:
  UniqueFd() noexcept = default;
  explicit UniqueFd(int fd) noexcept : fd_(fd) {}
  UniqueFd(UniqueFd&& o) noexcept : fd_(std::exchange(o.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& o) noexcept {
    if (this != &o) {
      reset();
      fd_ = std::exchange(o.fd_, -1);
    }
    return *this;
  }
  UniqueFd(const UniqueFd&) = delete;
  UniqueFd& operator=(const UniqueFd&) = delete;
  ~UniqueFd() { reset(); }
  int get() const noexcept { return fd_; }
  bool valid() const noexcept { return fd_ >= 0; }
  int release() noexcept { return std::exchange(fd_, -1); }
  void reset() noexcept;
  // Closes and reports what a delayed write left behind (NFS, quota).
  Status close(std::string_view what);

 private:
  int fd_ = -1;
};

enum class FileType : std::uint8_t { unknown, regular, directory, symlink, fifo, socket, block_device, char_device };
FileType file_type_of_mode(std::uint32_t st_mode);

struct FileInfo {
  FileType type = FileType::unknown;
  std::uint32_t mode = 0;  // permission bits with set-id and sticky, 07777
  std::uint32_t uid = 0, gid = 0;
  std::uint32_t link_count = 0;
  std::int64_t size = 0;
  Timestamp mtime;
  Timestamp atime;
  Timestamp ctime;
  std::uint64_t dev = 0, ino = 0, rdev = 0;
  std::int64_t allocated_bytes = 0;
  bool is_directory() const { return type == FileType::directory; }
  bool is_regular() const { return type == FileType::regular; }
};

// `what` of all errors is "<call> <path>" as Go prints it: "open /x: no such file or directory".
Result<FileInfo> stat_path(const std::string& path);   // follows links
Result<FileInfo> lstat_path(const std::string& path);  // does not
Result<FileInfo> stat_fd(int fd);
Result<FileInfo> lstat_at(int dirfd, const char* name);
// True also when it exists but may not be looked at further; false only on "no such file".
bool file_exists(const std::string& path);
bool is_directory(const std::string& path);

// O_CLOEXEC is always added; EINTR is retried.
Result<UniqueFd> open_file(const std::string& path, int flags, mode_t mode = 0);
Result<UniqueFd> open_file_at(int dirfd, const char* name, int flags, mode_t mode = 0);

// Whole file. Errors: not_found, permission_denied; resource_exhausted when larger than size_max.
Result<Buffer> read_file(const std::string& path, std::size_t size_max);
// All of `out` or an error: unavailable "unexpected end of file" when the file ends before.
Status pread_exact(int fd, MutByteView out, std::int64_t offset);
// As much as there is, up to out.size(); 0 at the end.
Result<std::size_t> pread_some(int fd, MutByteView out, std::int64_t offset);
Result<std::size_t> read_some(int fd, MutByteView out);
// False when nothing can be read within `timeout`; the end of a pipe counts as readable.
Result<bool> wait_readable(int fd, Duration timeout);
Status write_all(int fd, ByteView bytes);
Status pwrite_all(int fd, ByteView bytes, std::int64_t offset);
Status writev_all(int fd, GatherView parts);

// Temporary file in the same directory, fsync, rename, fsync of the directory: after a crash the old or the new file
// is there, whole. On failure the temporary file is gone. The directory must exist.
Status write_file_atomic(const std::string& path, ByteView bytes, mode_t mode);
// mkdir -p. Existing directories are left alone; a file in the way is already_exists.
Status make_directories(const std::string& path, mode_t mode);
// One directory. Errors: already_exists, not_found (no parent).
Status make_directory(const std::string& path, mode_t mode);
// rm -r; does not follow links; a missing tree is success. The first error is returned after all else was tried.
Status remove_tree(const std::string& path);
// A missing file is success.
Status remove_file(const std::string& path);
Status rename_file(const std::string& from, const std::string& to);
// already_exists instead of replacing (also between processes, where the file system has a way to do it).
Status rename_file_if_absent(const std::string& from, const std::string& to);
Status fsync_fd(int fd, std::string_view what);
// File systems that cannot sync a directory (EINVAL) count as success.
Status fsync_directory(const std::string& path);
Result<std::string> read_link(const std::string& path);

struct SpaceInfo {
  std::int64_t total_bytes = 0;
  std::int64_t free_bytes = 0;                   // incl. what is reserved for root
  std::int64_t available_bytes = 0;              // to this user
  std::int64_t total_files = 0, free_files = 0;  // inodes; 0 where the file system has none
};
Result<SpaceInfo> free_space(const std::string& path);

// "a" + "b" → "a/b"; an absolute second part wins.
std::string join_path(std::string_view directory, std::string_view name);
// Directory part without trailing slash: "." for a bare name, "/" for "/x".
std::string parent_path(std::string_view path);
std::string base_name(std::string_view path);
// Lexical: removes ".", "..", double slashes (Go's filepath.Clean).
std::string clean_path(std::string_view path);
// Made absolute against the working directory and cleaned.
Result<std::string> absolute_path(std::string_view path);
// $HOME, else the passwd entry, else "".
std::string home_directory();

// $TMPDIR or /tmp.
std::string temp_directory();
// Fresh directory (0700), removed with its contents by the destructor.
class TempDir {
 public:
  static Result<TempDir> make(std::string_view prefix = "cairn-", const std::string& parent = temp_directory());
  TempDir() = default;
  TempDir(TempDir&& o) noexcept : path_(std::exchange(o.path_, {})) {}
  TempDir& operator=(TempDir&& o) noexcept;
  ~TempDir() { remove(); }
  const std::string& path() const { return path_; }
  std::string release() { return std::exchange(path_, {}); }

 private:
  void remove() noexcept;
  std::string path_;
};

// Exclusive advisory lock on a file (flock), held until destroyed or the process ends. The file stays.
class FileLock {
 public:
  FileLock() = default;
  // Never blocks. Errors: conflict when somebody else holds it.
  static Result<FileLock> try_lock(const std::string& path, mode_t mode = 0600);
  bool held() const { return fd_.valid(); }
  void unlock() { fd_.reset(); }

 private:
  explicit FileLock(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

}  // namespace cairn::sys
