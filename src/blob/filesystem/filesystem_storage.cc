#include "blob/filesystem/filesystem_storage.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <mutex>

#include "base/log.h"
#include "base/random.h"
#include "blob/decorators.h"
#include "blob/filesystem/call_guard.h"
#include "blob/filesystem/call_limits.h"
#include "blob/filesystem/layout_file.h"
#include "blob/filesystem/tree_walk.h"
#include "blob/sharding.h"
#include "sys/attributes.h"
#include "sys/bulk_write.h"
#include "sys/file.h"
#include "sys/file_system_type.h"

namespace cairn::blob {
namespace {

constexpr int kAttemptsMax = 5;
constexpr int kPutAttemptsMax = 2;
constexpr std::size_t kReadPiece = 4 << 20;

class FilesystemStorage final : public Storage, public std::enable_shared_from_this<FilesystemStorage> {
 public:
  FilesystemStorage(FilesystemOptions options, bool may_hang, TreeLayout tree)
      : options_(std::move(options)),
        may_hang_(may_hang),
        file_mode_(options_.file_mode != 0 ? options_.file_mode : 0600),
        dir_mode_(options_.dir_mode != 0 ? options_.dir_mode : 0700),
        layout_(std::make_shared<const ShardLayout>(std::move(tree.layout))),
        layout_file_seen_(tree.file_present),
        must_persist_(tree.undecided) {}

  using Storage::put;
  Result<Buffer> get(const BlobId& id, ByteRange range, std::stop_token stop) override;
  Result<BlobMetadata> metadata(const BlobId& id, std::stop_token stop) override;
  Status list(std::string_view prefix, const ListCallback& callback, std::stop_token stop) override;
  Result<BlobMetadata> put(const BlobId& id, GatherView data, const PutOptions& options, std::stop_token stop) override;
  Status remove(const BlobId& id, std::stop_token stop) override;
  Result<Capacity> capacity() override;
  ConnectionInfo connection_info() const override { return {"filesystem", options_.to_json()}; }
  std::string display_name() const override { return "Filesystem: " + options_.path; }

 private:
  std::shared_ptr<const ShardLayout> layout() const { return layout_.load(); }
  Result<std::string> relative_path(const BlobId& id) const { return layout()->path_of(id); }
  std::string full_path(const std::string& relative) const { return sys::join_path(options_.path, relative); }
  CallLimits limits(std::int64_t bytes, std::stop_token stop) const {
    return CallLimits(options_.call_deadline, bytes, std::move(stop));
  }
  // fn(limits), on a thread that can be left where the file system may hang: fn owns what it uses, but for `this`.
  template <class F>
  auto call(CallLimits limits, F fn) -> decltype(fn(limits)) {
    if (!may_hang_) {
      return fn(limits);
    }
    return guarded(limits, [self = shared_from_this(), limits, fn = std::move(fn)] { return fn(limits); });
  }

  Result<Buffer> read_range(const std::string& path, ByteRange range, const CallLimits& limits) const;
  Status persist_layout_once(const CallLimits& limits);
  Result<sys::UniqueFd> create_temp(const std::string& relative, const std::string& temp, const CallLimits& limits);
  Status make_shard_directories(const std::string& relative, const CallLimits& limits) const;
  Result<Timestamp> fill(sys::UniqueFd& fd, const std::string& temp, GatherView data, const PutOptions& options,
                         const CallLimits& limits) const;
  Result<Timestamp> put_once(const std::string& relative, GatherView data, const PutOptions& options,
                             const CallLimits& limits);

  const FilesystemOptions options_;
  const bool may_hang_;
  const mode_t file_mode_;
  const mode_t dir_mode_;
  std::atomic<std::shared_ptr<const ShardLayout>>
      layout_;  // replaced at most once, by the first put into an empty tree
  std::atomic<bool> layout_file_seen_;
  std::atomic<bool> must_persist_;
  std::mutex persist_mutex_;  // one thread writes `.shards`, the others wait for it
};

Result<Buffer> FilesystemStorage::get(const BlobId& id, ByteRange range, std::stop_token stop) {
  if (range.offset < 0) {
    return error(Code::invalid_argument, "invalid range");
  }
  TRY_ASSIGN(const std::string relative, relative_path(id));
  return call(limits(std::max<std::int64_t>(range.length, 64 << 20), std::move(stop)),
              [this, path = full_path(relative), range](const CallLimits& limits) {
                return limits.retry(kAttemptsMax, [&] { return read_range(path, range, limits); });
              });
}

Result<Buffer> FilesystemStorage::read_range(const std::string& path, ByteRange range, const CallLimits& limits) const {
  TRY_ASSIGN(const sys::UniqueFd fd, sys::open_file(path, O_RDONLY | O_NONBLOCK));
  TRY_ASSIGN(const sys::FileInfo info, sys::stat_fd(fd.get()), "{}", path);
  if (!info.is_regular()) {
    return error(Code::not_found, "open {}: not a regular file", path);
  }
  if (range.length == 0) {
    return Buffer();
  }
  if (range.offset > info.size || range.length > info.size - range.offset) {
    return error(Code::invalid_argument, "invalid range");
  }
  const std::int64_t length = range.length < 0 ? info.size - range.offset : range.length;
  Buffer out(static_cast<std::size_t>(length));
  for (std::size_t done = 0; done < out.size();) {
    TRY(limits.check());
    const MutByteView piece = out.mut().subspan(done, std::min(kReadPiece, out.size() - done));
    TRY(sys::pread_exact(fd.get(), piece, range.offset + static_cast<std::int64_t>(done)), "{}", path);
    done += piece.size();
  }
  return out;
}

Result<BlobMetadata> FilesystemStorage::metadata(const BlobId& id, std::stop_token stop) {
  TRY_ASSIGN(const std::string relative, relative_path(id));
  const std::string path = full_path(relative);
  TRY_ASSIGN(const sys::FileInfo info, call(limits(0, std::move(stop)), [path](const CallLimits& limits) {
               return limits.retry(kAttemptsMax, [&] { return sys::stat_path(path); });
             }));
  if (!info.is_regular()) {
    return error(Code::not_found, "stat {}: not a regular file", path);
  }
  return BlobMetadata{id, info.size, info.mtime};
}

Status FilesystemStorage::list(std::string_view prefix, const ListCallback& callback, std::stop_token stop) {
  return walk_tree({options_.path, options_.list_parallelism, options_.call_deadline, may_hang_}, prefix, callback,
                   std::move(stop));
}

Result<BlobMetadata> FilesystemStorage::put(const BlobId& id, GatherView data, const PutOptions& options,
                                            std::stop_token stop) {
  if (!options.retention_mode.empty() || options.retention_period.ns != 0) {
    return error(Code::unsupported, "blob-retention: unsupported put-blob option");
  }
  if (options.do_not_recreate) {
    return error(Code::unsupported, "do-not-recreate: unsupported put-blob option");
  }
  const auto size = static_cast<std::int64_t>(gather_size(data));
  TRY_ASSIGN(const Timestamp time,
             call(limits(size, std::move(stop)),
                  [this, id, options, parts = std::vector<ByteView>(data.begin(), data.end())](
                      const CallLimits& limits) -> Result<Timestamp> {
                    if (must_persist_) {
                      TRY(persist_layout_once(limits));
                    }
                    TRY_ASSIGN(const std::string relative, relative_path(id));
                    return limits.retry(kPutAttemptsMax, [&] { return put_once(relative, parts, options, limits); });
                  }));
  return BlobMetadata{id, size, time};
}

Status FilesystemStorage::persist_layout_once(const CallLimits& limits) {
  const std::lock_guard lock(persist_mutex_);
  if (!must_persist_) {
    return {};
  }
  auto layout_in_force = limits.retry(kPutAttemptsMax, [&] { return persist_layout(options_, *layout()); });
  TRY(layout_in_force, "unable to write {}", full_path(std::string(kShardsFileName)));
  layout_ = std::make_shared<const ShardLayout>(std::move(layout_in_force).value());
  layout_file_seen_ = true;
  must_persist_ = false;
  return {};
}

Result<Timestamp> FilesystemStorage::put_once(const std::string& relative, GatherView data, const PutOptions& options,
                                              const CallLimits& limits) {
  const std::string path = full_path(relative);
  const std::string temp = fmt::format("{}.tmp.{}", path, random_hex(8));
  TRY_ASSIGN(sys::UniqueFd fd, create_temp(relative, temp, limits));
  const auto fill_and_rename = [&]() -> Result<Timestamp> {
    TRY_ASSIGN(const Timestamp time, fill(fd, temp, data, options, limits));
    TRY(fd.close(temp));
    TRY(limits.check());
    TRY(sys::rename_file(temp, path));
    return time;
  };
  Result<Timestamp> time = fill_and_rename();
  if (!time.ok()) {
    fd.reset();
    (void)sys::remove_file(temp).ok();
    return time;
  }
  TRY(sys::fsync_directory(sys::parent_path(path)));
  return time;
}

Result<sys::UniqueFd> FilesystemStorage::create_temp(const std::string& relative, const std::string& temp,
                                                     const CallLimits& limits) {
  constexpr int kFlags = O_CREAT | O_EXCL | O_WRONLY;
  auto fd = sys::open_file(temp, kFlags, file_mode_);
  if (fd.ok() || fd.code() != Code::not_found) {
    return fd;
  }
  TRY(make_shard_directories(relative, limits));
  fd = sys::open_file(temp, kFlags, file_mode_);
  if (fd.code() == Code::not_found) {
    // To the caller "not found" would mean the blob.
    return std::move(fd).status().with_code(Code::failed_precondition);
  }
  return fd;
}

Status FilesystemStorage::make_shard_directories(const std::string& relative, const CallLimits& limits) const {
  // An unmounted root is an empty directory or none: nothing is made there.
  if (!sys::is_directory(options_.path) ||
      (layout_file_seen_ && !sys::file_exists(full_path(std::string(kShardsFileName))))) {
    return error(Code::failed_precondition, "storage root {} is missing or has lost {}; is it mounted?", options_.path,
                 kShardsFileName);
  }
  for (std::size_t slash = relative.find('/'); slash != std::string::npos; slash = relative.find('/', slash + 1)) {
    TRY(limits.check());
    const std::string directory = full_path(relative.substr(0, slash));
    const Status made = sys::make_directory(directory, dir_mode_);
    if (made.is(Code::not_found)) {
      return Status(made).with_code(Code::failed_precondition);
    }
    if (!made.ok() && !made.is(Code::already_exists)) {
      return made;
    }
    // Also when another writer has made it: his sync may still be under way.
    TRY(sys::fsync_directory(sys::parent_path(directory)));
  }
  return {};
}

Result<Timestamp> FilesystemStorage::fill(sys::UniqueFd& fd, const std::string& temp, GatherView data,
                                          const PutOptions& options, const CallLimits& limits) const {
  TRY(sys::write_bulk(fd.get(), data, [&limits] { return limits.check(); }), "{}", temp);
  if (options_.uid && options_.gid && ::geteuid() == 0) {
    if (const Status owned = sys::set_owner(fd.get(), *options_.uid, *options_.gid); !owned.ok()) {
      log::warning("blob", "unable to set owner of {}: {}", temp, owned.message());
    }
  }
  if (options.set_mtime) {
    TRY(sys::set_times(fd.get(), options.set_mtime, options.set_mtime), "{}", temp);
  }
  TRY(sys::fsync_fd(fd.get(), temp));
  TRY_ASSIGN(const sys::FileInfo info, sys::stat_fd(fd.get()), "{}", temp);
  return info.mtime;
}

Status FilesystemStorage::remove(const BlobId& id, std::stop_token stop) {
  TRY_ASSIGN(const std::string relative, relative_path(id));
  const Status status = call(limits(0, std::move(stop)), [path = full_path(relative)](const CallLimits& limits) {
    return limits.retry(kAttemptsMax, [&] { return sys::remove_file(path); });
  });
  return status.is(Code::not_found) ? Status() : status;  // a file where a directory should be
}

Result<Capacity> FilesystemStorage::capacity() {
  TRY_ASSIGN(const sys::SpaceInfo space,
             call(limits(0, {}), [path = options_.path](const CallLimits&) { return sys::free_space(path); }));
  return Capacity{space.total_bytes, space.available_bytes};
}

Status prepare_root(const FilesystemOptions& options, const OpenOptions& open) {
  if (open.create && !open.read_only) {
    const mode_t mode = options.dir_mode != 0 ? options.dir_mode : 0700;
    if (const Status made = sys::make_directories(options.path, mode); !made.ok()) {
      log::error("blob", "unable to create directory: {}", made.message());
    }
  }
  TRY_ASSIGN(const sys::FileInfo info, sys::stat_path(options.path), "cannot access storage path");
  if (!info.is_directory()) {
    return error(Code::failed_precondition, "cannot access storage path: {}: not a directory", options.path);
  }
  return {};
}

Result<std::shared_ptr<Storage>> open_tree(const FilesystemOptions& options, OpenOptions open,
                                           const CallLimits& limits) {
  TRY(prepare_root(options, open));
  TRY_ASSIGN(TreeLayout tree, find_layout(options, open.create, limits));
  if (open.create && !open.read_only && tree.undecided && !tree.any_blob) {
    TRY_ASSIGN(tree.layout, persist_layout(options, tree.layout), "unable to write {}", kShardsFileName);
    tree.undecided = false;
    tree.file_present = true;
  }
  std::shared_ptr<Storage> storage =
      std::make_shared<FilesystemStorage>(options, sys::is_remote_file_system(options.path), std::move(tree));
  return open.read_only ? with_read_only(std::move(storage)) : storage;
}

}  // namespace

Result<std::shared_ptr<Storage>> open_filesystem(const FilesystemOptions& options, OpenOptions open,
                                                 std::stop_token stop) {
  if (!options.path.starts_with('/')) {
    return error(Code::invalid_argument, "filesystem repository path must be absolute");
  }
  const CallLimits limits(options.call_deadline, 0, std::move(stop));
  return guarded(limits, [options, open, limits] { return open_tree(options, open, limits); });
}

}  // namespace cairn::blob
