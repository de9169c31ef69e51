// The entries of a restored directory: their attributes, files, links and placeholders.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/random.h"
#include "snapshot/restore_local_internal.h"
#include "sys/attributes.h"
#include "sys/directory.h"

namespace cairn::snapshot {
namespace {

constexpr std::size_t kProblemTextsMax = 10'000;
constexpr Duration kSameTimeTolerance = seconds(2);

Status open_error(int err, const std::string& path) { return errno_status(err, "open " + path); }

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

}  // namespace

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
