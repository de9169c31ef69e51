#include "snapshot/restore_local.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/units.h"
#include "snapshot/restore_local_internal.h"
#include "sys/directory.h"
#include "sys/file_system_type.h"

namespace cairn::snapshot {
namespace {

// File systems whose numbers say nothing about what a restore needs: remote ones, and those that compress.
bool free_space_is_meaningful(const std::string& path) {
  return !sys::is_remote_file_system(path) && !sys::is_compressing_file_system(path);
}

std::string nearest_existing(std::string path) {
  while (path != "/" && path != "." && !sys::file_exists(path)) {
    path = sys::parent_path(path);
  }
  return path;
}

bool is_empty_directory(const std::string& path) {
  auto fd = sys::open_directory(path);
  sys::DirectoryListing listing;
  if (!fd.ok() || !sys::read_directory(fd->get(), false, listing, {}).ok()) {
    return false;
  }
  return std::ranges::all_of(listing.entries(), [&](const auto& e) { return listing.name(e) == "lost+found"; });
}

}  // namespace

LocalOutputImpl::LocalOutputImpl(std::string target, const LocalOutputOptions& options)
    : target_(std::move(target)), options_(options) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    const rlim_t wanted = std::min<rlim_t>(limit.rlim_max, 8192);
    if (limit.rlim_cur < wanted) {
      rlimit raised = limit;
      raised.rlim_cur = wanted;
      if (::setrlimit(RLIMIT_NOFILE, &raised) == 0) {
        limit.rlim_cur = wanted;
      }
    }
    directory_fds_max_ = static_cast<int>(std::min<rlim_t>(limit.rlim_cur / 2, 4096));
  }
}

Status LocalOutputImpl::prepare(const DirEntry& root) {
  const std::int64_t needed = root.summ && root.type == EntryType::directory ? root.summ->size : root.size;
  const bool fresh = !sys::file_exists(target_) || is_empty_directory(target_);
  const std::string volume = nearest_existing(target_);
  if (!options_.check_free_space || options_.write_sparse_files || !fresh || !free_space_is_meaningful(volume)) {
    return {};
  }
  const auto space = sys::free_space(volume);
  if (space.ok() && space->total_bytes > 0 && space->available_bytes < needed) {
    return error(Code::resource_exhausted, "not enough space for {}: the snapshot holds {}, {} are free", target_,
                 bytes_text(needed), bytes_text(space->available_bytes));
  }
  return {};
}

Result<FdPtr> LocalOutputImpl::fd_of(LocalDirectory& d) {
  std::vector<LocalDirectory*> closed;
  FdPtr at;
  for (LocalDirectory* p = &d; p != nullptr && at == nullptr; p = p->parent.get()) {
    const std::lock_guard lock(p->mutex);
    at = p->fd;
    if (at == nullptr) {
      closed.push_back(p);
    }
  }
  for (auto it = closed.rbegin(); it != closed.rend(); ++it) {
    sys::UniqueFd fd;
    if (at == nullptr) {
      TRY_ASSIGN(fd, sys::open_directory((*it)->name));
    } else {
      TRY_ASSIGN(fd, sys::open_directory_at(at->get(), (*it)->name.c_str()));
    }
    at = std::make_shared<sys::UniqueFd>(std::move(fd));
  }
  return at;
}

Result<Place> LocalOutputImpl::place(const DirectoryPtr& directory, std::string_view name) {
  Place p;
  if (directory != nullptr) {
    p.directory = std::static_pointer_cast<LocalDirectory>(directory);
    TRY_ASSIGN(p.fd, fd_of(*p.directory));
    p.name = name;
    return p;
  }
  p.directory = std::make_shared<LocalDirectory>();
  p.directory->name = sys::parent_path(target_);
  p.directory->existed = true;
  p.name = sys::base_name(target_);
  p.top = true;
  const int fd = ::open(p.directory->name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) {
    return errno_status(errno, "open " + target_);
  }
  p.fd = std::make_shared<sys::UniqueFd>(fd);
  return p;
}

// What stands where a directory belongs.
Status LocalOutputImpl::check_existing(const LocalDirectory& d, int parent_fd, bool follow) {
  struct stat st {};
  if (::fstatat(parent_fd, d.name.c_str(), &st, follow ? 0 : AT_SYMLINK_NOFOLLOW) != 0) {
    return errno_status(errno, "stat " + d.path());
  }
  if (!S_ISDIR(st.st_mode)) {
    return error(Code::already_exists, "unable to create directory, \"{}\" already exists and it is not a directory",
                 d.path());
  }
  return {};
}

Result<RestoreOutput::DirectoryPtr> LocalOutputImpl::adopt(std::shared_ptr<LocalDirectory> d, int parent_fd,
                                                           bool follow) {
  const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | (follow ? 0 : O_NOFOLLOW);
  int fd = ::openat(parent_fd, d->name.c_str(), flags);
  if (fd < 0 && errno == EACCES && d->existed) {
    // Ours, but closed to ourselves: opened for the time of the restore.
    struct stat st {};
    if (::fstatat(parent_fd, d->name.c_str(), &st, follow ? 0 : AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode) &&
        ::fchmodat(parent_fd, d->name.c_str(), (st.st_mode & 07777) | 0700, 0) == 0) {
      d->original_mode = st.st_mode & 07777;
      fd = ::openat(parent_fd, d->name.c_str(), flags);
    }
  }
  if (fd < 0) {
    return errno_status(errno, "open " + d->path());
  }
  auto owned = std::make_shared<sys::UniqueFd>(fd);
  if (d->existed) {
    struct stat st {};
    if (::geteuid() != 0 && ::fstat(fd, &st) == 0 && st.st_uid == ::geteuid() && (st.st_mode & 0700) != 0700 &&
        ::fchmod(fd, (st.st_mode & 07777) | 0700) == 0) {
      d->original_mode = st.st_mode & 07777;
    }
    if (!options_.overwrite_directories) {
      sys::DirectoryListing listing;
      TRY_ASSIGN(const sys::UniqueFd again, sys::open_directory_at(fd, "."));
      TRY(sys::read_directory(again.get(), false, listing, {}));
      if (listing.size() != 0) {
        return error(Code::already_exists, "non-empty directory already exists, not overwriting it: \"{}\"", d->path());
      }
    }
  }
  if (directory_fds_.fetch_add(1) < directory_fds_max_) {
    d->fd = std::move(owned);
  } else {
    directory_fds_.fetch_sub(1);
  }
  return DirectoryPtr(std::move(d));
}

Result<RestoreOutput::DirectoryPtr> LocalOutputImpl::begin_root(const DirEntryView&) {
  auto d = std::make_shared<LocalDirectory>();
  d->name = target_;
  struct stat st {};
  if (::stat(target_.c_str(), &st) == 0) {
    d->existed = true;
    TRY(check_existing(*d, AT_FDCWD, true));
  } else {
    TRY(sys::make_directories(target_, kNewDirectoryMode));
  }
  return adopt(std::move(d), AT_FDCWD, true);
}

Result<RestoreOutput::DirectoryPtr> LocalOutputImpl::begin_directory(const DirectoryPtr& parent,
                                                                     const DirEntryView& entry) {
  if (parent == nullptr) {
    return begin_root(entry);
  }
  auto d = std::make_shared<LocalDirectory>();
  d->parent = std::static_pointer_cast<LocalDirectory>(parent);
  d->name = entry.name;
  TRY_ASSIGN(const FdPtr at, fd_of(*d->parent));
  if (::mkdirat(at->get(), d->name.c_str(), kNewDirectoryMode) != 0) {
    if (errno != EEXIST) {
      return errno_status(errno, "mkdir " + d->path());
    }
    d->existed = true;
    TRY(check_existing(*d, at->get(), false));
  }
  return adopt(std::move(d), at->get(), false);
}

Status LocalOutputImpl::finish_directory(Directory& directory, const DirEntryView& entry) {
  auto& d = static_cast<LocalDirectory&>(directory);
  TRY_ASSIGN(const FdPtr fd, fd_of(d));
  if (d.original_mode && options_.skip_permissions && ::fchmod(fd->get(), *d.original_mode) != 0) {
    TRY(attribute_failed(errno_status(errno, "chmod " + d.path()), "could not change permissions on", d.path()));
  }
  TRY(set_attributes(fd->get(), -1, nullptr, entry, entry.mode, [&] { return d.path(); }));
  if (d.parent == nullptr) {
    if (auto up = sys::open_directory(sys::parent_path(d.name)); up.ok()) {
      remove_placeholder(up->get(), sys::base_name(d.name));
    }
  } else if (d.parent->existed) {
    TRY_ASSIGN(const FdPtr up, fd_of(*d.parent));
    remove_placeholder(up->get(), d.name);
  }
  const std::lock_guard lock(d.mutex);
  if (d.fd != nullptr) {
    d.fd.reset();
    directory_fds_.fetch_sub(1);
  }
  return {};
}

Result<RemovedCounts> LocalOutputImpl::remove_extra(Directory& directory,
                                                    const std::function<bool(std::string_view, bool)>& wanted) {
  auto& d = static_cast<LocalDirectory&>(directory);
  TRY_ASSIGN(const FdPtr fd, fd_of(d));
  TRY_ASSIGN(const sys::UniqueFd again, sys::open_directory_at(fd->get(), "."));
  sys::DirectoryListing listing;
  TRY(sys::read_directory(again.get(), true, listing, {}));
  RemovedCounts removed;
  for (const sys::DirectoryEntry& e : listing.entries()) {
    const bool is_directory = e.type == sys::FileType::directory;
    if (wanted(listing.name(e), is_directory)) {
      continue;
    }
    if (is_directory) {
      TRY(sys::remove_tree(sys::join_path(d.path(), listing.name(e))));
      ++removed.dirs;
    } else if (::unlinkat(fd->get(), listing.c_name(e), 0) != 0) {
      return errno_status(errno, "remove " + sys::join_path(d.path(), listing.name(e)));
    } else {
      ++(e.type == sys::FileType::symlink ? removed.symlinks : removed.files);
    }
  }
  return removed;
}

std::unique_ptr<LocalOutput> LocalOutput::create(std::string target, const LocalOutputOptions& options) {
  return std::make_unique<LocalOutputImpl>(std::move(target), options);
}

}  // namespace cairn::snapshot
