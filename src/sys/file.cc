#include "sys/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <vector>

#include "base/random.h"
#include "sys/directory.h"

namespace cairn::sys {
namespace {

constexpr std::size_t kIoSizeMax = std::size_t{1} << 30;  // the kernel moves less than 2 GiB a call

Status path_error(int err, const char* call, std::string_view path) {
  return errno_status(err, fmt::format("{} {}", call, path));
}

template <class F>
auto retry_eintr(F&& call) {
  decltype(call()) r;
  do {
    r = call();
  } while (r < 0 && errno == EINTR);
  return r;
}

Timestamp to_timestamp(const struct timespec& t) {
  std::int64_t ns;
  if (__builtin_mul_overflow(static_cast<std::int64_t>(t.tv_sec), std::int64_t{1'000'000'000}, &ns) ||
      __builtin_add_overflow(ns, static_cast<std::int64_t>(t.tv_nsec), &ns)) {
    ns = t.tv_sec < 0 ? std::numeric_limits<std::int64_t>::min() + 1 : std::numeric_limits<std::int64_t>::max();
  }
  return {ns};
}

FileInfo to_info(const struct stat& st) {
  FileInfo info;
  info.type = file_type_of_mode(st.st_mode);
  info.mode = st.st_mode & 07777;
  info.uid = st.st_uid;
  info.gid = st.st_gid;
  info.link_count = static_cast<std::uint32_t>(st.st_nlink);
  info.size = st.st_size;
  info.mtime = to_timestamp(st.st_mtim);
  info.atime = to_timestamp(st.st_atim);
  info.ctime = to_timestamp(st.st_ctim);
  info.dev = st.st_dev;
  info.ino = st.st_ino;
  info.rdev = st.st_rdev;
  info.allocated_bytes = static_cast<std::int64_t>(st.st_blocks) * 512;
  return info;
}

}  // namespace

void UniqueFd::reset() noexcept {
  if (fd_ >= 0) {
    const int saved = errno;
    ::close(fd_);
    fd_ = -1;
    errno = saved;
  }
}

Status UniqueFd::close(std::string_view what) {
  // After EINTR the descriptor is gone on Linux: never close twice.
  if (fd_ >= 0 && ::close(std::exchange(fd_, -1)) != 0 && errno != EINTR) {
    return path_error(errno, "close", what);
  }
  return {};
}

FileType file_type_of_mode(std::uint32_t st_mode) {
  switch (st_mode & S_IFMT) {
    case S_IFREG:
      return FileType::regular;
    case S_IFDIR:
      return FileType::directory;
    case S_IFLNK:
      return FileType::symlink;
    case S_IFIFO:
      return FileType::fifo;
    case S_IFSOCK:
      return FileType::socket;
    case S_IFBLK:
      return FileType::block_device;
    case S_IFCHR:
      return FileType::char_device;
    default:
      return FileType::unknown;
  }
}

Result<FileInfo> stat_path(const std::string& path) {
  struct stat st;
  if (::stat(path.c_str(), &st) != 0) {
    return path_error(errno, "stat", path);
  }
  return to_info(st);
}

Result<FileInfo> lstat_path(const std::string& path) { return lstat_at(AT_FDCWD, path.c_str()); }

Result<FileInfo> stat_fd(int fd) {
  struct stat st;
  if (::fstat(fd, &st) != 0) {
    return errno_status(errno, "fstat");
  }
  return to_info(st);
}

Result<FileInfo> lstat_at(int dirfd, const char* name) {
  struct stat st;
  if (::fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
    return path_error(errno, "lstat", name);
  }
  return to_info(st);
}

bool file_exists(const std::string& path) {
  struct stat st;
  return ::lstat(path.c_str(), &st) == 0 || (errno != ENOENT && errno != ENOTDIR);
}

bool is_directory(const std::string& path) {
  struct stat st;
  return ::stat(path.c_str(), &st) == 0 && S_ISDIR(st.st_mode);
}

Result<UniqueFd> open_file(const std::string& path, int flags, mode_t mode) {
  return open_file_at(AT_FDCWD, path.c_str(), flags, mode);
}

Result<UniqueFd> open_file_at(int dirfd, const char* name, int flags, mode_t mode) {
  const int fd = retry_eintr([&] { return ::openat(dirfd, name, flags | O_CLOEXEC, mode); });
  if (fd < 0) {
    return path_error(errno, "open", name);
  }
  return UniqueFd(fd);
}

Result<Buffer> read_file(const std::string& path, std::size_t size_max) {
  TRY_ASSIGN(UniqueFd fd, open_file(path, O_RDONLY));
  TRY_ASSIGN(const FileInfo info, stat_fd(fd.get()), "{}", path);
  if (info.is_directory()) {
    return path_error(EISDIR, "read", path);
  }
  if (info.size > 0 && static_cast<std::uint64_t>(info.size) > size_max) {
    return error(Code::resource_exhausted, "read {}: file has {} bytes, more than {}", path, info.size, size_max);
  }
  Buffer out;
  std::size_t used = 0;
  // One byte more than the size: the usual file takes one full read and one that says it is the end.
  out.resize(std::min(static_cast<std::size_t>(info.size) + 1, size_max + 1));
  while (true) {
    auto n = read_some(fd.get(), out.mut().subspan(used));
    TRY(n, "{}", path);
    used += *n;
    if (*n == 0) {
      break;
    }
    if (used > size_max) {
      return error(Code::resource_exhausted, "read {}: file has more than {} bytes", path, size_max);
    }
    if (used == out.size()) {
      out.resize(std::min(std::max<std::size_t>(used * 2, 4096), size_max + 1));
    }
  }
  out.resize(used);
  return out;
}

Status pread_exact(int fd, MutByteView out, std::int64_t offset) {
  while (!out.empty()) {
    TRY_ASSIGN(const std::size_t n, pread_some(fd, out, offset));
    if (n == 0) {
      return error(Code::unavailable, "unexpected end of file");
    }
    out = out.subspan(n);
    offset += static_cast<std::int64_t>(n);
  }
  return {};
}

Result<std::size_t> pread_some(int fd, MutByteView out, std::int64_t offset) {
  std::size_t done = 0;
  while (done < out.size()) {
    const std::size_t want = std::min(out.size() - done, kIoSizeMax);
    const ssize_t n =
        retry_eintr([&] { return ::pread(fd, out.data() + done, want, offset + static_cast<off_t>(done)); });
    if (n < 0) {
      return errno_status(errno, "read");
    }
    if (n == 0) {
      break;
    }
    done += static_cast<std::size_t>(n);
  }
  return done;
}

Result<std::size_t> read_some(int fd, MutByteView out) {
  const ssize_t n = retry_eintr([&] { return ::read(fd, out.data(), std::min(out.size(), kIoSizeMax)); });
  if (n < 0) {
    return errno_status(errno, "read");
  }
  return static_cast<std::size_t>(n);
}

Result<bool> wait_readable(int fd, Duration timeout) {
  struct pollfd p {
    fd, POLLIN, 0
  };
  const int n = ::poll(&p, 1, static_cast<int>(timeout.ns / 1'000'000));
  if (n < 0 && errno != EINTR) {
    return errno_status(errno, "poll");
  }
  return n > 0;
}

Status write_all(int fd, ByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t n = retry_eintr([&] { return ::write(fd, bytes.data(), std::min(bytes.size(), kIoSizeMax)); });
    if (n < 0) {
      return errno_status(errno, "write");
    }
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
  return {};
}

Status pwrite_all(int fd, ByteView bytes, std::int64_t offset) {
  while (!bytes.empty()) {
    const ssize_t n =
        retry_eintr([&] { return ::pwrite(fd, bytes.data(), std::min(bytes.size(), kIoSizeMax), offset); });
    if (n < 0) {
      return errno_status(errno, "write");
    }
    bytes = bytes.subspan(static_cast<std::size_t>(n));
    offset += n;
  }
  return {};
}

Status writev_all(int fd, GatherView parts) {
  std::size_t part = 0;
  std::size_t skip = 0;  // bytes of parts[part] already written
  while (part < parts.size()) {
    struct iovec iov[64];
    int count = 0;
    std::size_t total = 0;
    for (std::size_t i = part; i < parts.size() && count < 64 && total < kIoSizeMax; ++i) {
      ByteView p = i == part ? parts[i].subspan(skip) : parts[i];
      p = p.first(std::min(p.size(), kIoSizeMax - total));
      iov[count++] = {const_cast<Byte*>(p.data()), p.size()};
      total += p.size();
    }
    const ssize_t n = retry_eintr([&] { return ::writev(fd, iov, count); });
    if (n < 0) {
      return errno_status(errno, "write");
    }
    skip += static_cast<std::size_t>(n);
    while (part < parts.size() && skip >= parts[part].size()) {
      skip -= parts[part].size();
      ++part;
    }
  }
  return {};
}

Status write_file_atomic(const std::string& path, ByteView bytes, mode_t mode) {
  const std::string temp = fmt::format("{}.tmp.{}", path, random_hex(8));
  TRY_ASSIGN(UniqueFd fd, open_file(temp, O_CREAT | O_EXCL | O_WRONLY, mode));
  const auto write = [&]() -> Status {
    TRY(write_all(fd.get(), bytes), "{}", temp);
    TRY(fsync_fd(fd.get(), temp));
    TRY(fd.close(temp));
    return rename_file(temp, path);
  };
  if (Status status = write(); !status.ok()) {
    ::unlink(temp.c_str());
    return status;
  }
  return fsync_directory(parent_path(path));
}

Status make_directories(const std::string& path, mode_t mode) {
  if (::mkdir(path.c_str(), mode) == 0) {
    return {};
  }
  const int err = errno;
  if (is_directory(path)) {
    return {};
  }
  if (err == EEXIST) {
    return error(Code::already_exists, "mkdir {}: not a directory", path);
  }
  if (err != ENOENT) {
    return path_error(err, "mkdir", path);
  }
  const std::string parent = parent_path(path);
  if (parent == path || parent == ".") {
    return path_error(err, "mkdir", path);
  }
  TRY(make_directories(parent, mode));
  if (::mkdir(path.c_str(), mode) != 0 && !is_directory(path)) {
    return path_error(errno, "mkdir", path);
  }
  return {};
}

namespace {

void keep_first(Status& first, Status next) {
  if (first.ok() && !next.ok()) {
    first = std::move(next);
  }
}

// Removes what is in the directory. Depth is bounded by the descriptors the process may open.
Status remove_children(int dirfd, const std::string& path) {
  DirectoryListing listing;
  TRY(read_directory(dirfd, false, listing, {}), "{}", path);
  Status first;
  for (const DirectoryEntry& e : listing.entries()) {
    const char* name = listing.c_name(e);
    const std::string child_path = join_path(path, name);
    int err = 0;
    if (e.type != FileType::directory) {
      err = ::unlinkat(dirfd, name, 0) == 0 ? 0 : errno;
      if (err == 0 || err == ENOENT) {
        continue;
      }
    }
    if (e.type != FileType::directory && err != EISDIR && err != EPERM) {
      keep_first(first, path_error(err, "unlink", child_path));
      continue;
    }
    auto child = open_directory_at(dirfd, name);
    if (child.ok()) {
      keep_first(first, remove_children(child->get(), child_path));
    } else if (child.code() == Code::not_found && e.type != FileType::directory) {
      keep_first(first, path_error(err, "unlink", child_path));
      continue;
    }
    if (::unlinkat(dirfd, name, AT_REMOVEDIR) != 0 && errno != ENOENT) {
      keep_first(first, path_error(errno, "rmdir", child_path));
    }
  }
  return first;
}

}  // namespace

Status make_directory(const std::string& path, mode_t mode) {
  return ::mkdir(path.c_str(), mode) == 0 ? Status() : path_error(errno, "mkdir", path);
}

Status remove_tree(const std::string& path) {
  auto fd = open_directory_at(AT_FDCWD, path.c_str());
  if (!fd.ok()) {
    // Not a directory, or nothing there.
    return remove_file(path);
  }
  Status status = remove_children(fd->get(), path);
  if (::rmdir(path.c_str()) != 0 && errno != ENOENT) {
    keep_first(status, path_error(errno, "rmdir", path));
  }
  return status;
}

Status remove_file(const std::string& path) {
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
    return path_error(errno, "remove", path);
  }
  return {};
}

Status rename_file(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) {
    return errno_status(errno, fmt::format("rename {} {}", from, to));
  }
  return {};
}

Status rename_file_if_absent(const std::string& from, const std::string& to) {
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) {
    return {};
  }
  if (errno == EEXIST) {
    return path_error(errno, "rename", to);
  }
  // File systems without the flag: a hard link refuses to replace as well.
  if (::link(from.c_str(), to.c_str()) == 0) {
    return remove_file(from);
  }
  if (errno == EEXIST || file_exists(to)) {
    return path_error(EEXIST, "rename", to);
  }
  return rename_file(from, to);
}

Status fsync_fd(int fd, std::string_view what) {
  if (retry_eintr([&] { return ::fsync(fd); }) != 0) {
    return path_error(errno, "sync", what);
  }
  return {};
}

Status fsync_directory(const std::string& path) {
  TRY_ASSIGN(UniqueFd fd, open_directory(path));
  if (retry_eintr([&] { return ::fsync(fd.get()); }) != 0 && errno != EINVAL && errno != EROFS) {
    return path_error(errno, "sync", path);
  }
  return {};
}

Result<std::string> read_link(const std::string& path) { return read_link_at(AT_FDCWD, path.c_str()); }

Result<SpaceInfo> free_space(const std::string& path) {
  struct statvfs s;
  if (retry_eintr([&] { return ::statvfs(path.c_str(), &s); }) != 0) {
    return path_error(errno, "statfs", path);
  }
  const auto unit = static_cast<std::int64_t>(s.f_frsize != 0 ? s.f_frsize : s.f_bsize);
  return SpaceInfo{static_cast<std::int64_t>(s.f_blocks) * unit, static_cast<std::int64_t>(s.f_bfree) * unit,
                   static_cast<std::int64_t>(s.f_bavail) * unit, static_cast<std::int64_t>(s.f_files),
                   static_cast<std::int64_t>(s.f_ffree)};
}

std::string join_path(std::string_view directory, std::string_view name) {
  if (directory.empty() || name.starts_with('/')) {
    return std::string(name);
  }
  std::string out(directory);
  if (!name.empty()) {
    if (!out.ends_with('/')) {
      out += '/';
    }
    out += name;
  }
  return out;
}

std::string parent_path(std::string_view path) {
  while (path.size() > 1 && path.ends_with('/')) {
    path.remove_suffix(1);
  }
  const std::size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) {
    return ".";
  }
  path = path.substr(0, slash);
  while (path.size() > 1 && path.ends_with('/')) {
    path.remove_suffix(1);
  }
  return path.empty() ? "/" : std::string(path);
}

std::string base_name(std::string_view path) {
  while (path.size() > 1 && path.ends_with('/')) {
    path.remove_suffix(1);
  }
  const std::size_t slash = path.rfind('/');
  return std::string(slash == std::string_view::npos || path.size() == 1 ? path : path.substr(slash + 1));
}

std::string clean_path(std::string_view path) {
  const bool rooted = path.starts_with('/');
  std::vector<std::string_view> parts;
  while (!path.empty()) {
    const std::size_t slash = std::min(path.find('/'), path.size());
    const std::string_view part = path.substr(0, slash);
    path.remove_prefix(std::min(slash + 1, path.size()));
    if (part.empty() || part == ".") {
      continue;
    }
    if (part != "..") {
      parts.push_back(part);
    } else if (!parts.empty() && parts.back() != "..") {
      parts.pop_back();
    } else if (!rooted) {
      parts.push_back(part);
    }
  }
  std::string out = rooted ? "/" : "";
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) {
      out += '/';
    }
    out += parts[i];
  }
  return out.empty() ? "." : out;
}

Result<std::string> absolute_path(std::string_view path) {
  if (path.starts_with('/')) {
    return clean_path(path);
  }
  std::string cwd(PATH_MAX, '\0');
  if (::getcwd(cwd.data(), cwd.size()) == nullptr) {
    return errno_status(errno, "getwd");
  }
  cwd.resize(std::char_traits<char>::length(cwd.c_str()));
  return clean_path(join_path(cwd, path));
}

std::string home_directory() {
  if (const char* home = std::getenv("HOME"); home != nullptr && *home != '\0') {
    return home;
  }
  std::vector<char> buffer(16384);
  struct passwd entry;
  struct passwd* found = nullptr;
  if (::getpwuid_r(::getuid(), &entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr) {
    return found->pw_dir;
  }
  return "";
}

std::string temp_directory() {
  const char* dir = std::getenv("TMPDIR");
  return dir != nullptr && *dir != '\0' ? dir : "/tmp";
}

Result<TempDir> TempDir::make(std::string_view prefix, const std::string& parent) {
  std::string path = join_path(parent, fmt::format("{}XXXXXX", prefix));
  if (::mkdtemp(path.data()) == nullptr) {
    return path_error(errno, "mkdir", path);
  }
  TempDir dir;
  dir.path_ = std::move(path);
  return dir;
}

TempDir& TempDir::operator=(TempDir&& o) noexcept {
  if (this != &o) {
    remove();
    path_ = std::exchange(o.path_, {});
  }
  return *this;
}

void TempDir::remove() noexcept {
  if (!path_.empty()) {
    // Best effort: there is nobody to tell.
    (void)remove_tree(path_).ok();
    path_.clear();
  }
}

Result<FileLock> FileLock::try_lock(const std::string& path, mode_t mode) {
  TRY_ASSIGN(UniqueFd fd, open_file(path, O_RDWR | O_CREAT, mode));
  if (retry_eintr([&] { return ::flock(fd.get(), LOCK_EX | LOCK_NB); }) != 0) {
    if (errno == EWOULDBLOCK) {
      return error(Code::conflict, "lock {}: held by another process", path);
    }
    return path_error(errno, "lock", path);
  }
  return FileLock(std::move(fd));
}

}  // namespace cairn::sys
