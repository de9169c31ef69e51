#include "snapshot/restore_local.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <mutex>
#include <optional>

#include "base/guarded.h"
#include "base/random.h"
#include "base/units.h"
#include "snapshot/restore_local_file.h"
#include "sys/attributes.h"
#include "sys/directory.h"
#include "sys/file.h"

namespace cairn::snapshot {
namespace {

constexpr std::size_t kNameMax = 255;
constexpr std::size_t kProblemTextsMax = 10'000;
constexpr mode_t kNewDirectoryMode = 0700;
constexpr Duration kSameTimeTolerance = seconds(2);
constexpr const char* kPlaceholderFile = ".kopia-entry";

// File systems whose numbers say nothing about what a restore needs: remote ones, and those that compress.
bool free_space_is_meaningful(const std::string& path) {
  struct statfs fs {};
  if (::statfs(path.c_str(), &fs) != 0) {
    return false;
  }
  switch (static_cast<std::uint32_t>(fs.f_type)) {
    case 0x6969:      // NFS
    case 0x517b:      // SMB
    case 0xff534d42:  // CIFS
    case 0xfe534d42:  // SMB2
    case 0x65735546:  // FUSE
    case 0x01021997:  // 9P
    case 0x00c36400:  // CEPH
    case 0x2fc12fc1:  // ZFS
    case 0x9123683e:  // BTRFS
      return false;
    default:
      return true;
  }
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

using FdPtr = std::shared_ptr<sys::UniqueFd>;

struct LocalDirectory : RestoreOutput::Directory {
  std::shared_ptr<LocalDirectory> parent;  // null: `name` is a path
  std::string name;
  bool existed = false;
  std::optional<mode_t> original_mode;  // widened so that we can work in it
  std::mutex mutex;
  FdPtr fd;  // null: reopened through the parent at each use (too many are open)

  std::string path() const {
    std::vector<const LocalDirectory*> chain;
    for (const LocalDirectory* d = this; d != nullptr; d = d->parent.get()) {
      chain.push_back(d);
    }
    std::string out = chain.back()->name;
    for (auto it = chain.rbegin() + 1; it != chain.rend(); ++it) {
      out = sys::join_path(out, (*it)->name);
    }
    return out;
  }
};

Status open_error(int err, const std::string& path) { return errno_status(err, "open " + path); }

// One name in an open directory.
struct Place {
  std::shared_ptr<LocalDirectory> directory;
  FdPtr fd;
  std::string name;
  bool top = false;  // named by the user: links are followed and devices written to
  std::string path() const { return sys::join_path(directory->path(), name); }
};

class LocalOutputImpl final : public LocalOutput {
 public:
  LocalOutputImpl(std::string target, const LocalOutputOptions& options)
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

  bool concurrent() const override { return true; }
  Status prepare(const DirEntry& root) override;
  Result<DirectoryPtr> begin_directory(const DirectoryPtr& parent, const DirEntryView& entry) override;
  bool may_hold_entries(const Directory& directory) const override {
    return static_cast<const LocalDirectory&>(directory).existed;
  }
  Status finish_directory(Directory& directory, const DirEntryView& entry) override;
  bool already_there(const DirectoryPtr& directory, const DirEntryView& entry) override;
  Result<RemovedCounts> remove_extra(Directory& directory,
                                     const std::function<bool(std::string_view, bool)>& wanted) override;
  Result<FilePtr> create_file(const DirectoryPtr& directory, const DirEntryView& entry, std::int64_t length) override;
  Status write_symlink(const DirectoryPtr& directory, const DirEntryView& entry, const std::string& target) override;
  Status write_placeholder(const DirectoryPtr& directory, const DirEntryView& entry) override;
  bool placeholder_fits(const DirEntryView& entry) const override {
    return entry.name.size() + kPlaceholderSuffix.size() <= kNameMax;
  }
  std::string describe(const DirectoryPtr& directory, std::string_view name) const override {
    return directory == nullptr ? target_ : sys::join_path(static_cast<const LocalDirectory&>(*directory).path(), name);
  }
  Status finish() override { return {}; }
  AttributeProblems attribute_problems() const override {
    auto lock = const_cast<Guarded<AttributeProblems>&>(problems_).lock();
    return *lock;
  }

 private:
  friend class LocalFileImpl;
  Result<DirectoryPtr> begin_root(const DirEntryView& entry);
  Result<DirectoryPtr> adopt(std::shared_ptr<LocalDirectory> d, int parent_fd, bool follow);
  Status check_existing(const LocalDirectory& d, int parent_fd, bool follow);
  Result<FdPtr> fd_of(LocalDirectory& d);
  Result<Place> place(const DirectoryPtr& directory, std::string_view name);
  Status open_target(const Place& at, FileTarget& out);
  Status create_temporary(const Place& at, FileTarget& out);
  Status set_attributes(int fd, int dirfd, const char* name, const DirEntryView& entry, std::uint32_t mode,
                        const std::function<std::string()>& path);
  Status attribute_failed(Status status, std::string_view what, const std::string& path);
  void remove_placeholder(int dirfd, std::string_view name);
  Status write_placeholder_file(const Place& at, const DirEntryView& entry, const std::string& json);
  Status complete(FileTarget& target, const Place& at, const DirEntryView& entry);

  const std::string target_;
  const LocalOutputOptions options_;
  int directory_fds_max_ = 256;
  std::atomic<int> directory_fds_{0};
  Guarded<AttributeProblems> problems_;
};

// A file in the making: the entry's attributes are kept until finish().
class LocalFileImpl final : public RestoreOutput::File {
 public:
  LocalFileImpl(LocalOutputImpl& output, Place at, DirEntry entry, FileTarget target)
      : output_(output), at_(std::move(at)), entry_(std::move(entry)), target_(std::move(target)) {}
  ~LocalFileImpl() override {
    if (!finished_) {
      abandon_target(target_, at_.fd->get(), at_.name);
    }
  }
  Status write_at(std::int64_t offset, ByteView bytes) override {
    Status s = target_.writer->write_at(offset, bytes);
    return s.ok() ? std::move(s) : std::move(s).with_frame("write " + at_.path());
  }
  Status finish() override {
    finished_ = true;
    Status s = target_.writer->finish();
    if (s.ok()) {
      s = output_.complete(target_, at_, view_of_entry());
    } else {
      s = std::move(s).with_frame("write " + at_.path()).with_frame("error creating file");
    }
    if (!s.ok()) {
      abandon_target(target_, at_.fd->get(), at_.name);
    }
    return s;
  }

 private:
  DirEntryView view_of_entry() const {
    DirEntryView v;
    v.name = entry_.name;
    v.type = entry_.type;
    v.mode = entry_.mode;
    v.size = entry_.size;
    v.mtime = entry_.mtime;
    v.uid = entry_.uid;
    v.gid = entry_.gid;
    return v;
  }
  LocalOutputImpl& output_;
  Place at_;
  DirEntry entry_;
  FileTarget target_;
  bool finished_ = false;
};

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
    return open_error(errno, target_);
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
    return open_error(errno, d->path());
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

Status LocalOutputImpl::attribute_failed(Status status, std::string_view what, const std::string& path) {
  Status s = std::move(status).with_frame(fmt::format("{} {}", what, path)).with_frame("error setting attributes");
  if (!s.is(Code::permission_denied)) {
    return s;
  }
  if (options_.collect_attribute_problems) {
    auto lock = problems_.lock();
    ++lock->count;
    if (lock->texts.size() < kProblemTextsMax) {
      lock->texts.push_back(s.message());
    }
    return {};
  }
  return options_.ignore_permission_errors ? Status() : s;
}

// Owner before mode (chown clears set-id bits), times last. `fd` < 0: a link, by name.
Status LocalOutputImpl::set_attributes(int fd, int dirfd, const char* name, const DirEntryView& entry,
                                       std::uint32_t mode, const std::function<std::string()>& path) {
  const bool link = fd < 0;
  struct stat st {};
  if ((link ? ::fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) : ::fstat(fd, &st)) != 0) {
    return errno_status(errno, "stat " + path()).with_frame("error setting attributes");
  }
  bool owner_is_right = true;
  bool changed_owner = false;
  if (!options_.skip_owners && (st.st_uid != entry.uid || st.st_gid != entry.gid)) {
    const int rc =
        link ? ::fchownat(dirfd, name, entry.uid, entry.gid, AT_SYMLINK_NOFOLLOW) : ::fchown(fd, entry.uid, entry.gid);
    if (rc != 0) {
      owner_is_right = false;
      const std::string p = path();
      TRY(attribute_failed(errno_status(errno, (link ? "lchown " : "chown ") + p), "could not change owner/group for",
                           p));
    }
    changed_owner = rc == 0;
  }
  if (!options_.skip_permissions && !link) {
    // A program must not run with the identity of whoever restores it.
    const std::uint32_t wanted = owner_is_right ? mode : mode & ~06000U;
    if ((st.st_mode & 07777) != wanted || changed_owner) {
      if (::fchmod(fd, wanted) != 0) {
        const std::string p = path();
        TRY(attribute_failed(errno_status(errno, "chmod " + p), "could not change permissions on", p));
      }
    }
  }
  if (!options_.skip_times && !entry.mtime.is_zero()) {
    const std::int64_t s = entry.mtime.unix_seconds();
    timespec t{};
    t.tv_sec = s;
    t.tv_nsec = entry.mtime.ns - s * 1'000'000'000;
    const timespec times[2] = {t, t};
    const int rc = link ? ::utimensat(dirfd, name, times, AT_SYMLINK_NOFOLLOW) : ::futimens(fd, times);
    if (rc != 0) {
      const std::string p = path();
      TRY(attribute_failed(errno_status(errno, "chtimes " + p), "could not change mod time on", p));
    }
  }
  return {};
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

void LocalOutputImpl::remove_placeholder(int dirfd, std::string_view name) {
  std::string placeholder(name);
  placeholder += kPlaceholderSuffix;
  struct stat st {};
  if (placeholder.size() > kNameMax || ::fstatat(dirfd, placeholder.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) {
    return;
  }
  if (S_ISREG(st.st_mode)) {
    (void)::unlinkat(dirfd, placeholder.c_str(), 0);
  } else if (S_ISDIR(st.st_mode)) {
    if (auto fd = sys::open_directory_at(dirfd, placeholder.c_str()); fd.ok()) {
      (void)::fchmod(fd->get(), 0700);
      (void)::unlinkat(fd->get(), kPlaceholderFile, 0);
      (void)::unlinkat(dirfd, placeholder.c_str(), AT_REMOVEDIR);
    }
  }
}

bool LocalOutputImpl::already_there(const DirectoryPtr& directory, const DirEntryView& entry) {
  auto at = place(directory, entry.name);
  if (!at.ok()) {
    return false;
  }
  const auto info = sys::lstat_at(at->fd->get(), at->name.c_str());
  if (!info.ok()) {
    return false;
  }
  if (entry.type == EntryType::symlink) {
    return info->type == sys::FileType::symlink;
  }
  const Duration apart = info->mtime > entry.mtime ? info->mtime - entry.mtime : entry.mtime - info->mtime;
  return info->is_regular() && info->size == entry.size && apart < kSameTimeTolerance;
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

Status LocalOutputImpl::create_temporary(const Place& at, FileTarget& out) {
  struct stat st {};
  if (::fstatat(at.fd->get(), at.name.c_str(), &st, AT_SYMLINK_NOFOLLOW) == 0) {
    if (S_ISDIR(st.st_mode)) {
      return open_error(EISDIR, at.path());
    }
    if (!options_.overwrite_files) {
      return error(Code::already_exists, "unable to create \"{}\", it already exists", at.path());
    }
    out.existing_mode = st.st_mode & 07777;
  }
  out.temporary = fmt::format(".cairn-restore-{}", random_hex(8));
  const int fd =
      ::openat(at.fd->get(), out.temporary.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) {
    out.temporary.clear();
    return open_error(errno, at.path());
  }
  out.fd = sys::UniqueFd(fd);
  out.created = true;
  return {};
}

Status LocalOutputImpl::open_target(const Place& at, FileTarget& out) {
  if (options_.write_files_atomically) {
    return create_temporary(at, out);
  }
  constexpr int kCreate = O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC | O_NOFOLLOW;
  int fd = ::openat(at.fd->get(), at.name.c_str(), kCreate, 0600);
  out.created = fd >= 0;
  if (fd < 0 && errno == EEXIST) {
    struct stat st {};
    if (::fstatat(at.fd->get(), at.name.c_str(), &st, at.top ? 0 : AT_SYMLINK_NOFOLLOW) != 0) {
      return errno_status(errno, "stat " + at.path());
    }
    if (S_ISDIR(st.st_mode)) {
      return open_error(EISDIR, at.path());
    }
    if (!options_.overwrite_files) {
      return error(Code::already_exists, "unable to create \"{}\", it already exists", at.path());
    }
    if (S_ISREG(st.st_mode) || at.top) {
      const int flags = O_RDWR | O_CLOEXEC | (at.top ? 0 : O_NOFOLLOW) | (S_ISREG(st.st_mode) ? O_TRUNC : O_NONBLOCK);
      fd = ::openat(at.fd->get(), at.name.c_str(), flags);
      out.regular = S_ISREG(st.st_mode);
    }
    // A link, a pipe, a running program: replaced, not written through.
    if (fd < 0 && !at.top && (!S_ISREG(st.st_mode) || errno == ETXTBSY)) {
      if (::unlinkat(at.fd->get(), at.name.c_str(), 0) != 0) {
        return errno_status(errno, "remove " + at.path());
      }
      fd = ::openat(at.fd->get(), at.name.c_str(), kCreate, 0600);
      out.created = fd >= 0;
    }
  }
  if (fd < 0) {
    return open_error(errno, at.path());
  }
  out.fd = sys::UniqueFd(fd);
  return {};
}

Result<RestoreOutput::FilePtr> LocalOutputImpl::create_file(const DirectoryPtr& directory, const DirEntryView& entry,
                                                            std::int64_t length) {
  TRY_ASSIGN(Place at, place(directory, entry.name), "error creating file");
  FileTarget target;
  TRY(open_target(at, target), "error creating file");
  auto writer = FileWriter::create(target, length, options_.write_sparse_files && !options_.write_files_atomically);
  if (!writer.ok()) {
    abandon_target(target, at.fd->get(), at.name);
    return std::move(writer).status().with_frame("write " + at.path()).with_frame("error creating file");
  }
  target.writer = std::move(*writer);
  DirEntry kept;  // without the summary
  kept.type = entry.type;
  kept.mode = entry.mode;
  kept.size = entry.size;
  kept.mtime = entry.mtime;
  kept.uid = entry.uid;
  kept.gid = entry.gid;
  return FilePtr(std::make_shared<LocalFileImpl>(*this, std::move(at), std::move(kept), std::move(target)));
}

// Everything after the last byte: durability, attributes, the final name.
Status LocalOutputImpl::complete(FileTarget& target, const Place& at, const DirEntryView& entry) {
  if (!target.regular) {
    return target.fd.close("close " + at.path());
  }
  const auto path = [&] { return at.path(); };
  if (options_.skip_permissions && target.existing_mode) {
    if (::fchmod(target.fd.get(), *target.existing_mode) != 0) {
      TRY(attribute_failed(errno_status(errno, "chmod " + path()), "could not change permissions on", path()));
    }
  }
  TRY(set_attributes(target.fd.get(), -1, nullptr, entry, entry.mode, path));
  if ((options_.flush_files || options_.write_files_atomically) && ::fsync(target.fd.get()) != 0) {
    return errno_status(errno, "fsync " + path()).with_frame("error creating file");
  }
  TRY(target.fd.close("close " + path()), "error creating file");
  if (!target.temporary.empty()) {
    if (::renameat(at.fd->get(), target.temporary.c_str(), at.fd->get(), at.name.c_str()) != 0) {
      return errno_status(errno, "rename " + path()).with_frame("error creating file");
    }
    target.temporary.clear();
  }
  target.created = false;
  if (at.directory->existed) {
    remove_placeholder(at.fd->get(), at.name);
  }
  return {};
}

Status LocalOutputImpl::write_symlink(const DirectoryPtr& directory, const DirEntryView& entry,
                                      const std::string& target) {
  TRY_ASSIGN(const Place at, place(directory, entry.name));
  if (::symlinkat(target.c_str(), at.fd->get(), at.name.c_str()) != 0) {
    if (errno != EEXIST) {
      return errno_status(errno, fmt::format("symlink {} {}", target, at.path()));
    }
    struct stat st {};
    if (::fstatat(at.fd->get(), at.name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) {
      return errno_status(errno, "lstat " + at.path());
    }
    if (!S_ISLNK(st.st_mode)) {
      return error(Code::already_exists, "unable to create symlink, \"{}\" already exists and is not a symlink",
                   at.path());
    }
    if (!options_.overwrite_symlinks) {
      return Status(Code::already_exists, "will not overwrite existing symlink");
    }
    if (::unlinkat(at.fd->get(), at.name.c_str(), 0) != 0) {
      return errno_status(errno, "remove " + at.path());
    }
    if (::symlinkat(target.c_str(), at.fd->get(), at.name.c_str()) != 0) {
      return errno_status(errno, fmt::format("symlink {} {}", target, at.path()));
    }
  }
  return set_attributes(-1, at.fd->get(), at.name.c_str(), entry, 0, [&] { return at.path(); });
}

Status LocalOutputImpl::write_placeholder_file(const Place& at, const DirEntryView& entry, const std::string& json) {
  FileTarget out;
  TRY(create_temporary(at, out));
  Status s = sys::write_all(out.fd.get(), as_bytes(json));
  if (s.ok()) {
    s = set_attributes(out.fd.get(), -1, nullptr, entry, entry.mode & ~0222U, [&] { return at.path(); });
  }
  if (s.ok() && ::renameat(at.fd->get(), out.temporary.c_str(), at.fd->get(), at.name.c_str()) != 0) {
    s = errno_status(errno, "rename " + at.path());
  }
  if (!s.ok()) {
    abandon_target(out, at.fd->get(), at.name);
  }
  return s;
}

Status LocalOutputImpl::write_placeholder(const DirectoryPtr& directory, const DirEntryView& entry) {
  TRY_ASSIGN(Place at, place(directory, entry.name));
  struct stat st {};
  if (::fstatat(at.fd->get(), at.name.c_str(), &st, AT_SYMLINK_NOFOLLOW) == 0) {
    return error(Code::already_exists, "unable to create placeholder, \"{}\" already exists", at.path());
  }
  if (!placeholder_fits(entry)) {
    return error(Code::invalid_argument, "name of placeholder is too long: \"{}\"", at.path());
  }
  std::string json;
  entry.to_entry().append_json(json);
  json += '\n';
  at.name += kPlaceholderSuffix;
  if (entry.type != EntryType::directory) {
    return write_placeholder_file(at, entry, json);
  }
  if (::mkdirat(at.fd->get(), at.name.c_str(), kNewDirectoryMode) != 0 && errno != EEXIST) {
    return errno_status(errno, "mkdir " + at.path());
  }
  auto inner_directory = std::make_shared<LocalDirectory>();
  inner_directory->parent = at.directory;
  inner_directory->name = at.name;
  TRY_ASSIGN(sys::UniqueFd fd, sys::open_directory_at(at.fd->get(), at.name.c_str()));
  Place inner;
  inner.directory = std::move(inner_directory);
  inner.fd = std::make_shared<sys::UniqueFd>(std::move(fd));
  inner.name = kPlaceholderFile;
  TRY(write_placeholder_file(inner, entry, json));
  return set_attributes(inner.fd->get(), -1, nullptr, entry, entry.mode & ~0222U, [&] { return at.path(); });
}

}  // namespace

std::unique_ptr<LocalOutput> LocalOutput::create(std::string target, const LocalOutputOptions& options) {
  return std::make_unique<LocalOutputImpl>(std::move(target), options);
}

Result<DirEntry> read_placeholder(const std::string& path) {
  constexpr std::size_t kPlaceholderSizeMax = 1 << 20;
  const std::string file = sys::is_directory(path) ? sys::join_path(path, kPlaceholderFile) : path;
  auto text = sys::read_file(file, kPlaceholderSizeMax);
  if (!text.ok()) {
    return std::move(text).status().with_frame("dirEntryFromPlaceholder reading placeholder");
  }
  TRY_ASSIGN(const Json json, Json::parse(text->text(), true), "dirEntryFromPlaceholder parsing placeholder");
  TRY_ASSIGN(DirEntry entry, DirEntry::from_json(json), "dirEntryFromPlaceholder parsing placeholder");
  return entry;
}

}  // namespace cairn::snapshot
