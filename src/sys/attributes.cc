#include "sys/attributes.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace cairn::sys {
namespace {

struct timespec to_timespec(std::optional<Timestamp> t) {
  struct timespec ts = {};
  if (!t) {
    ts.tv_nsec = UTIME_OMIT;
    return ts;
  }
  ts.tv_sec = t->unix_seconds();
  ts.tv_nsec = static_cast<long>(t->ns - t->unix_seconds() * 1'000'000'000);
  return ts;
}

Result<UniqueFd> open_quietly(int dirfd, const char* name, int flags) {
  auto fd = open_file_at(dirfd, name, flags | O_NOATIME);
  // EPERM: not ours. Anything else would fail without the flag as well.
  if (!fd.ok() && fd.code() == Code::permission_denied) {
    return open_file_at(dirfd, name, flags);
  }
  return fd;
}

}  // namespace

Status set_owner(int fd, uid_t uid, gid_t gid) {
  return ::fchown(fd, uid, gid) == 0 ? Status() : errno_status(errno, "chown");
}

Status set_owner_at(int dirfd, const char* name, uid_t uid, gid_t gid) {
  return ::fchownat(dirfd, name, uid, gid, AT_SYMLINK_NOFOLLOW) == 0
             ? Status()
             : errno_status(errno, fmt::format("lchown {}", name));
}

Status set_mode(int fd, mode_t mode) {
  return ::fchmod(fd, mode & 07777) == 0 ? Status() : errno_status(errno, "chmod");
}

Status set_mode_at(int dirfd, const char* name, mode_t mode) {
  // fchmodat cannot be told not to follow on older kernels: look first. The window in between needs a hostile writer
  // in the target, who could as well change the mode afterwards.
  struct stat st;
  if (::fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
    return errno_status(errno, fmt::format("chmod {}", name));
  }
  if (S_ISLNK(st.st_mode)) {
    return error(Code::unsupported, "chmod {}: a symbolic link has no mode", name);
  }
  return ::fchmodat(dirfd, name, mode & 07777, 0) == 0 ? Status() : errno_status(errno, fmt::format("chmod {}", name));
}

Status set_times(int fd, std::optional<Timestamp> atime, std::optional<Timestamp> mtime) {
  const struct timespec times[2] = {to_timespec(atime), to_timespec(mtime)};
  return ::futimens(fd, times) == 0 ? Status() : errno_status(errno, "chtimes");
}

Status set_times_at(int dirfd, const char* name, std::optional<Timestamp> atime, std::optional<Timestamp> mtime) {
  const struct timespec times[2] = {to_timespec(atime), to_timespec(mtime)};
  return ::utimensat(dirfd, name, times, AT_SYMLINK_NOFOLLOW) == 0
             ? Status()
             : errno_status(errno, fmt::format("chtimes {}", name));
}

Result<UniqueFd> open_for_reading_at(int dirfd, const char* name) {
  return open_quietly(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
}

Result<UniqueFd> open_for_reading(const std::string& path) {
  return open_quietly(AT_FDCWD, path.c_str(), O_RDONLY | O_NONBLOCK);
}

void advise_sequential(int fd) { ::posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL); }

void advise_dont_need(int fd, std::int64_t offset, std::int64_t length) {
  ::posix_fadvise(fd, offset, length, POSIX_FADV_DONTNEED);
}

}  // namespace cairn::sys
