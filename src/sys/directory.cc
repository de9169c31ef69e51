#include "sys/directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <limits>
#include <memory>

namespace cairn::sys {
namespace {

// The kernel's record of getdents64(2); glibc has no name for the raw form.
struct LinuxDirent64 {
  std::uint64_t ino;
  std::int64_t off;
  std::uint16_t reclen;
  std::uint8_t type;
  char name[1];
};

constexpr std::size_t kBufferSize = 64 << 10;

FileType file_type_of_dirent(std::uint8_t type) { return file_type_of_mode(static_cast<std::uint32_t>(type) << 12); }

Timestamp to_timestamp(const struct statx_timestamp& t) {
  std::int64_t ns;
  if (__builtin_mul_overflow(t.tv_sec, std::int64_t{1'000'000'000}, &ns) ||
      __builtin_add_overflow(ns, static_cast<std::int64_t>(t.tv_nsec), &ns)) {
    ns = t.tv_sec < 0 ? std::numeric_limits<std::int64_t>::min() + 1 : std::numeric_limits<std::int64_t>::max();
  }
  return {ns};
}

// False when the entry vanished.
bool stat_entry(int dirfd, const char* name, DirectoryEntry& e) {
  struct statx st;
  int r;
  do {
    r = ::statx(dirfd, name, AT_SYMLINK_NOFOLLOW | AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, STATX_BASIC_STATS, &st);
  } while (r != 0 && errno == EINTR);
  if (r != 0) {
    e.error = errno;
    return errno != ENOENT;
  }
  e.type = file_type_of_mode(st.stx_mode);
  e.mode = st.stx_mode & 07777;
  e.uid = st.stx_uid;
  e.gid = st.stx_gid;
  e.link_count = st.stx_nlink;
  e.size = static_cast<std::int64_t>(st.stx_size);
  e.mtime = to_timestamp(st.stx_mtime);
  e.dev = makedev(st.stx_dev_major, st.stx_dev_minor);
  e.ino = st.stx_ino;
  return true;
}

bool is_dot(const char* name) { return name[0] == '.' && (name[1] == 0 || (name[1] == '.' && name[2] == 0)); }

}  // namespace

void DirectoryListing::sort_by_name() {
  std::sort(entries_.begin(), entries_.end(),
            [this](const DirectoryEntry& a, const DirectoryEntry& b) { return name(a) < name(b); });
}

void DirectoryListing::clear() {
  entries_.clear();
  names_.clear();
}

Result<UniqueFd> open_directory(const std::string& path) {
  return open_file(path, O_RDONLY | O_DIRECTORY | O_NONBLOCK);
}

Result<UniqueFd> open_directory_at(int dirfd, const char* name) {
  return open_file_at(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK);
}

Status read_directory(int dirfd, bool with_attributes, DirectoryListing& out, std::stop_token stop) {
  const auto buffer = std::make_unique_for_overwrite<char[]>(kBufferSize);
  while (true) {
    if (stop.stop_requested()) {
      return error(Code::cancelled, "stopped");
    }
    const long n = ::syscall(SYS_getdents64, dirfd, buffer.get(), kBufferSize);
    if (n < 0) {
      if (errno == EINTR) {
        continue;
      }
      if (errno == ENOENT) {
        return {};  // the directory was removed while it was read
      }
      return errno_status(errno, "readdir");
    }
    if (n == 0) {
      return {};
    }
    for (long pos = 0; pos < n;) {
      const auto* d = reinterpret_cast<const LinuxDirent64*>(buffer.get() + pos);
      pos += d->reclen;
      if (is_dot(d->name)) {
        continue;
      }
      DirectoryEntry e;
      e.type = file_type_of_dirent(d->type);
      e.ino = d->ino;
      if (with_attributes && !stat_entry(dirfd, d->name, e)) {
        continue;
      }
      const std::string_view name(d->name);
      if (out.names_.size() + name.size() + 1 > std::numeric_limits<std::uint32_t>::max()) {
        return error(Code::resource_exhausted, "readdir: directory is too large");
      }
      e.name_offset = static_cast<std::uint32_t>(out.names_.size());
      e.name_size = static_cast<std::uint16_t>(name.size());
      out.names_.append(name).push_back('\0');
      out.entries_.push_back(e);
    }
  }
}

Result<std::string> read_link_at(int dirfd, const char* name) {
  std::string target(256, '\0');
  while (true) {
    const ssize_t n = ::readlinkat(dirfd, name, target.data(), target.size());
    if (n < 0) {
      return errno_status(errno, fmt::format("readlink {}", name));
    }
    // A full buffer may be a cut target.
    if (static_cast<std::size_t>(n) < target.size()) {
      target.resize(static_cast<std::size_t>(n));
      return target;
    }
    target.resize(target.size() * 2);
  }
}

}  // namespace cairn::sys
