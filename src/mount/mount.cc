#include "mount/mount.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <thread>
#include <unordered_map>

#include "base/log.h"
#include "base/task_group.h"
#include "mount/chunk_cache.h"
#include "mount/fuse_api.h"
#include "sys/directory.h"
#include "sys/file.h"

namespace cairn::mount {
namespace {

constexpr double kStoredSeconds = 3600, kListSeconds = 5;
constexpr int kPollMs = 200;
constexpr std::size_t kLinkSizeMax = 64u << 10;
constexpr std::size_t kReadSizeMax = 1u << 20;
constexpr ino_t kUnknownInode = 0xffffffff;  // in directories: whoever wants the number asks for the entry
constexpr unsigned kBlockSize = 512;

// What the kernel holds open, by the number it was given. Whatever is still open at the end goes with the table.
template <class T>
class Handles {
 public:
  std::uint64_t add(std::unique_ptr<T> opened) {
    const auto number = reinterpret_cast<std::uint64_t>(opened.get());
    const std::lock_guard lock(mutex_);
    opened_.emplace(number, std::move(opened));
    return number;
  }
  T& at(std::uint64_t number) const { return *reinterpret_cast<T*>(number); }
  void remove(std::uint64_t number) {
    const std::lock_guard lock(mutex_);
    opened_.erase(number);
  }

 private:
  std::mutex mutex_;
  std::unordered_map<std::uint64_t, std::unique_ptr<T>> opened_;
};

class Server {
 public:
  Server(const FuseApi& fuse, repo::Repository& repository, Tree& tree, std::stop_token stop)
      : fuse_(fuse), tree_(tree), cache_(repository.objects(), kCacheBytesMax), stop_(std::move(stop)) {}

  void look_up(fuse_req_t request, fuse_ino_t parent, const char* name) {
    const auto inode = tree_.look_up(parent, name, stop_);
    if (!inode.ok()) {
      return fail(request, inode.status(), name);
    }
    const auto item = tree_.item(*inode);
    fuse_entry_param reply{};
    reply.ino = *inode;
    reply.attr = attributes(*inode, item->entry);
    reply.attr_timeout = reply.entry_timeout = timeout_of(*item);
    if (fuse_.fuse_reply_entry(request, &reply) != 0) {
      tree_.forget(*inode, 1);
    }
  }

  void forget(fuse_req_t request, fuse_ino_t inode, std::uint64_t uses) {
    tree_.forget(inode, uses);
    fuse_.fuse_reply_none(request);
  }

  void forget_multi(fuse_req_t request, std::size_t count, const fuse_forget_data* forgets) {
    for (std::size_t i = 0; i < count; ++i) {
      tree_.forget(forgets[i].ino, forgets[i].nlookup);
    }
    fuse_.fuse_reply_none(request);
  }

  void get_attributes(fuse_req_t request, fuse_ino_t inode) {
    const auto item = tree_.item(inode);
    if (!item) {
      fuse_.fuse_reply_err(request, ENOENT);
      return;
    }
    const struct stat attr = attributes(inode, item->entry);
    fuse_.fuse_reply_attr(request, &attr, timeout_of(*item));
  }

  void read_link(fuse_req_t request, fuse_ino_t inode) {
    const auto item = tree_.item(inode);
    if (!item || item->entry.type != snapshot::EntryType::symlink) {
      fuse_.fuse_reply_err(request, EINVAL);
      return;
    }
    const auto target = cache_.objects().read_all(item->entry.obj, kLinkSizeMax, stop_);
    if (!target.ok()) {
      return fail(request, target.status(), item->entry.name);
    }
    fuse_.fuse_reply_readlink(request, std::string(target->text()).c_str());
  }

  void open(fuse_req_t request, fuse_ino_t inode, fuse_file_info* info) {
    const auto item = tree_.item(inode);
    if (!item) {
      fuse_.fuse_reply_err(request, ENOENT);
      return;
    }
    if ((info->flags & O_ACCMODE) != O_RDONLY) {
      fuse_.fuse_reply_err(request, EROFS);
      return;
    }
    auto file = OpenFile::open(cache_, item->entry.obj, stop_);
    if (!file.ok()) {
      return fail(request, file.status(), item->entry.name);
    }
    info->fh = files_.add(std::move(*file));
    info->keep_cache = 1;
    if (fuse_.fuse_reply_open(request, info) != 0) {
      files_.remove(info->fh);
    }
  }

  void read(fuse_req_t request, fuse_ino_t inode, std::size_t size, off_t offset, fuse_file_info* info) {
    Buffer out(std::min(size, kReadSizeMax));
    const auto n = files_.at(info->fh).read(offset, out.mut(), stop_);
    if (!n.ok()) {
      const auto item = tree_.item(inode);
      return fail(request, n.status(), item ? item->entry.name : "");
    }
    fuse_.fuse_reply_buf(request, reinterpret_cast<const char*>(out.data()), *n);
  }

  void release(fuse_req_t request, fuse_file_info* info) {
    files_.remove(info->fh);
    fuse_.fuse_reply_err(request, 0);
  }

  void open_directory(fuse_req_t request, fuse_ino_t inode, fuse_file_info* info) {
    auto listing = tree_.list(inode, stop_);
    if (!listing.ok()) {
      return fail(request, listing.status(), "directory");
    }
    info->fh = directories_.add(std::make_unique<OpenDirectory>(std::move(*listing)));
    const auto item = tree_.item(inode);
    info->cache_readdir = item && item->kind == Item::Kind::stored ? 1 : 0;
    info->keep_cache = info->cache_readdir;
    if (fuse_.fuse_reply_open(request, info) != 0) {
      directories_.remove(info->fh);
    }
  }

  // Offsets: 1 after ".", 2 after "..", then the number of the entry + 3.
  void read_directory(fuse_req_t request, std::size_t size, off_t offset, fuse_file_info* info) {
    const std::vector<Item>& items = directories_.at(info->fh)->items();
    Buffer out(std::min(size, kReadSizeMax));
    std::size_t used = 0;
    for (auto at = static_cast<std::size_t>(offset); at < items.size() + 2; ++at) {
      struct stat attr {};
      attr.st_ino = kUnknownInode;
      attr.st_mode = at < 2 ? S_IFDIR : type_bits(items[at - 2].entry);
      const char* name = at == 0 ? "." : at == 1 ? ".." : items[at - 2].entry.name.c_str();
      const std::size_t n = fuse_.fuse_add_direntry(request, reinterpret_cast<char*>(out.data()) + used,
                                                    out.size() - used, name, &attr, static_cast<off_t>(at + 1));
      if (n > out.size() - used) {
        break;
      }
      used += n;
    }
    fuse_.fuse_reply_buf(request, reinterpret_cast<const char*>(out.data()), used);
  }

  void release_directory(fuse_req_t request, fuse_file_info* info) {
    directories_.remove(info->fh);
    fuse_.fuse_reply_err(request, 0);
  }

  void statistics(fuse_req_t request) {
    struct statvfs reply {};
    reply.f_bsize = reply.f_frsize = kBlockSize;
    reply.f_namemax = 255;
    reply.f_flag = ST_RDONLY;
    fuse_.fuse_reply_statfs(request, &reply);
  }

 private:
  using OpenDirectory = std::shared_ptr<const Listing>;

  static mode_t type_bits(const snapshot::DirEntry& e) {
    return e.type == snapshot::EntryType::directory ? S_IFDIR
           : e.type == snapshot::EntryType::symlink ? S_IFLNK
                                                    : S_IFREG;
  }

  static double timeout_of(const Item& item) { return item.kind == Item::Kind::stored ? kStoredSeconds : kListSeconds; }

  static struct stat attributes(Inode inode, const snapshot::DirEntry& e) {
    struct stat s {};
    s.st_ino = inode;
    s.st_mode = type_bits(e) | e.mode;
    s.st_nlink = e.type == snapshot::EntryType::directory ? 2 : 1;
    s.st_uid = e.uid;
    s.st_gid = e.gid;
    s.st_size = e.size;
    s.st_blocks = (e.size + kBlockSize - 1) / kBlockSize;
    constexpr std::int64_t kNs = 1'000'000'000;
    s.st_mtim.tv_nsec = (e.mtime.ns % kNs + kNs) % kNs;
    s.st_mtim.tv_sec = (e.mtime.ns - s.st_mtim.tv_nsec) / kNs;
    s.st_atim = s.st_ctim = s.st_mtim;
    return s;
  }

  void fail(fuse_req_t request, const Status& status, std::string_view name) {
    int number = EIO;
    if (status.is(Code::not_found) && status.message() == "entry not found") {
      number = ENOENT;
    } else if (status.is(Code::cancelled)) {
      number = EINTR;
    } else {
      log::write(log::Level::error, "mount", fmt::format("{}: {}", name, status.message()));
    }
    fuse_.fuse_reply_err(request, number);
  }

  const FuseApi& fuse_;
  Tree& tree_;
  ChunkCache cache_;
  Handles<OpenFile> files_;
  Handles<OpenDirectory> directories_;
  const std::stop_token stop_;
};

const FuseApi* api = nullptr;  // for the callbacks, which get nothing but the request

Server& server_of(fuse_req_t r) { return *static_cast<Server*>(api->fuse_req_userdata(r)); }

fuse_lowlevel_ops operations() {
  fuse_lowlevel_ops ops{};
  ops.lookup = [](fuse_req_t r, fuse_ino_t parent, const char* name) { server_of(r).look_up(r, parent, name); };
  ops.forget = [](fuse_req_t r, fuse_ino_t i, std::uint64_t n) { server_of(r).forget(r, i, n); };
  ops.forget_multi = [](fuse_req_t r, std::size_t n, fuse_forget_data* f) { server_of(r).forget_multi(r, n, f); };
  ops.getattr = [](fuse_req_t r, fuse_ino_t i, fuse_file_info*) { server_of(r).get_attributes(r, i); };
  ops.readlink = [](fuse_req_t r, fuse_ino_t i) { server_of(r).read_link(r, i); };
  ops.open = [](fuse_req_t r, fuse_ino_t i, fuse_file_info* f) { server_of(r).open(r, i, f); };
  ops.read = [](fuse_req_t r, fuse_ino_t i, std::size_t size, off_t offset, fuse_file_info* f) {
    server_of(r).read(r, i, size, offset, f);
  };
  ops.release = [](fuse_req_t r, fuse_ino_t, fuse_file_info* f) { server_of(r).release(r, f); };
  ops.opendir = [](fuse_req_t r, fuse_ino_t i, fuse_file_info* f) { server_of(r).open_directory(r, i, f); };
  ops.readdir = [](fuse_req_t r, fuse_ino_t, std::size_t size, off_t offset, fuse_file_info* f) {
    server_of(r).read_directory(r, size, offset, f);
  };
  ops.releasedir = [](fuse_req_t r, fuse_ino_t, fuse_file_info* f) { server_of(r).release_directory(r, f); };
  ops.statfs = [](fuse_req_t r, fuse_ino_t) { server_of(r).statistics(r); };
  return ops;
}

// One thread: waits a little, answers one request, looks whether to go on.
void work(const FuseApi& fuse, fuse_session* session, const std::stop_token& stop) {
  fuse_buf buffer{};
  pollfd waiting{fuse.fuse_session_fd(session), POLLIN, 0};
  while (!stop.stop_requested() && fuse.fuse_session_exited(session) == 0) {
    if (::poll(&waiting, 1, kPollMs) <= 0) {
      continue;
    }
    const int n = fuse.fuse_session_receive_buf(session, &buffer);
    if (n == -EAGAIN || n == -EINTR) {
      continue;  // another thread took it
    }
    if (n <= 0) {
      break;  // unmounted by somebody else
    }
    fuse.fuse_session_process_buf(session, &buffer);
  }
  std::free(buffer.mem);
}

Status check_mount_point(const MountOptions& options) {
  TRY_ASSIGN(const sys::UniqueFd fd, sys::open_directory(options.mount_point));
  if (options.allow_non_empty) {
    return {};
  }
  sys::DirectoryListing listing;
  TRY(sys::read_directory(fd.get(), false, listing, {}));
  if (listing.size() > 0) {
    return error(Code::failed_precondition, "{} is not empty; --fuse-allow-non-empty-mount hides what is in it",
                 options.mount_point);
  }
  return {};
}

std::string fuse_options(const MountOptions& options) {
  std::string text = "ro,nosuid,nodev,fsname=cairn,subtype=cairn";
  text += options.allow_other ? ",allow_other,default_permissions" : "";
  text += options.trace ? ",debug" : "";
  return text;
}

}  // namespace

Status serve(repo::Repository& repository, Tree& tree, const MountOptions& options, std::stop_token stop) {
  TRY_ASSIGN(const FuseApi* const fuse, FuseApi::load());
  TRY(check_mount_point(options));
  api = fuse;
  std::stop_source ending;
  const std::stop_callback forward(stop, [&] { ending.request_stop(); });
  Server server(*fuse, repository, tree, ending.get_token());
  std::string words[] = {"cairn", "-o", fuse_options(options)};
  char* argv[] = {words[0].data(), words[1].data(), words[2].data(), nullptr};
  fuse_args args{.argc = 3, .argv = argv, .allocated = 0};
  const fuse_lowlevel_ops ops = operations();
  fuse_session* session = fuse->fuse_session_new(&args, &ops, sizeof ops, &server);
  fuse->fuse_opt_free_args(&args);  // by now the library's own copies
  if (session == nullptr) {
    return error(Code::failed_precondition, "libfuse refuses the options {}", words[2]);
  }
  if (fuse->fuse_session_mount(session, options.mount_point.c_str()) != 0) {
    fuse->fuse_session_destroy(session);
    return error(Code::failed_precondition, "{} cannot be mounted on; is there /dev/fuse, and the program fusermount3?",
                 options.mount_point);
  }
  // A thread never hangs in a read: it polls, and several may be woken for one request.
  const int fd = fuse->fuse_session_fd(session);
  ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
  if (options.on_mounted) {
    options.on_mounted();
  }
  {
    std::vector<std::jthread> threads;
    const unsigned count = options.threads != 0 ? options.threads : std::max(cpu_count(), 2U);
    for (unsigned i = 0; i < count; ++i) {
      threads.emplace_back([&] { work(*fuse, session, ending.get_token()); });
    }
  }
  if (options.on_unmounting) {
    options.on_unmounting();
  }
  fuse->fuse_session_unmount(session);
  fuse->fuse_session_destroy(session);
  return {};
}

}  // namespace cairn::mount
