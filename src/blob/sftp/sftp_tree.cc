#include "blob/sftp/sftp_tree.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>

#include "base/log.h"
#include "base/random.h"
#include "blob/sftp/sftp_session.h"

namespace cairn::blob {
namespace {

Code code_of(const Status& s) { return s.code(); }
template <class T>
Code code_of(const Result<T>& r) {
  return r.code();
}

// Connections that are open, each used by one call at a time.
class SessionPool {
 public:
  explicit SessionPool(const SftpTreeOptions& options) : options_(options) {}

  // Calls `body(session, wait)` with a connection. A kept connection that turns out to be lost is not the caller's
  // concern: the call is repeated once with a new one.
  template <class F>
  auto with_session(std::int64_t bytes, std::stop_token stop, F&& body)
      -> decltype(body(std::declval<SftpSession&>(), std::declval<CallWait&>())) {
    constexpr std::int64_t kBytesMax = std::int64_t{1} << 40;  // a range may name more than any file has
    CallWait wait(options_.call_deadline + milliseconds(std::min(bytes, kBytesMax) >> 7), options_.silence_deadline,
                  std::move(stop));
    for (;;) {
      TRY_ASSIGN(Lease lease, take(wait));
      auto result = body(*lease.session, wait);
      const bool lost = lease.session->broken();
      const bool kept = lease.kept;
      give_back(std::move(lease));
      if (!lost || !kept || code_of(result) != Code::unavailable) {
        return result;
      }
    }
  }

 private:
  struct Lease {
    std::unique_ptr<SftpSession> session;
    bool kept = false;  // was open before
  };

  Result<Lease> take(CallWait& wait) {
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, wait.stop(), [this] { return !idle_.empty() || open_ < options_.connections_max; });
      TRY(wait.check());
      if (!idle_.empty()) {
        Lease lease{std::move(idle_.back()), true};
        idle_.pop_back();
        return lease;
      }
      ++open_;
    }
    Result<std::unique_ptr<SftpSession>> session = connect(wait);
    if (!session.ok()) {
      dropped(1);
      return std::move(session).status();
    }
    return Lease{std::move(session).value(), false};
  }

  Result<std::unique_ptr<SftpSession>> connect(CallWait& wait) {
    TRY_ASSIGN(auto channel,
               options_.ssh.external ? open_program_channel(options_.ssh) : open_ssh_channel(options_.ssh, wait));
    wait.progress();
    return SftpSession::open(std::move(channel), wait);
  }

  // With one lost the others are most likely lost too.
  void give_back(Lease lease) {
    std::vector<std::unique_ptr<SftpSession>> closing;
    {
      const std::lock_guard lock(mutex_);
      if (!lease.session->broken()) {
        idle_.push_back(std::move(lease.session));
      } else {
        closing = std::move(idle_);
        idle_.clear();
        closing.push_back(std::move(lease.session));
        open_ -= closing.size();
      }
    }
    changed_.notify_all();
  }
  void dropped(std::size_t count) {
    {
      const std::lock_guard lock(mutex_);
      open_ -= count;
    }
    changed_.notify_all();
  }

  const SftpTreeOptions& options_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::vector<std::unique_ptr<SftpSession>> idle_;  // the last used one last
  std::size_t open_ = 0;                            // idle and in use
};

class SftpTree final : public RemoteTree {
 public:
  explicit SftpTree(SftpTreeOptions options) : options_(std::move(options)), pool_(options_) {}

  Result<Buffer> read(const std::string& path, ByteRange range, std::stop_token stop) override {
    return pool_.with_session(std::max<std::int64_t>(range.length, 64 << 20), std::move(stop),
                              [&](SftpSession& s, CallWait& wait) { return s.read_file(full(path), range, wait); });
  }
  Result<TreeEntry> stat(const std::string& path, std::stop_token stop) override {
    return pool_.with_session(0, std::move(stop),
                              [&](SftpSession& s, CallWait& wait) { return s.stat(full(path), wait); });
  }
  Result<std::vector<Result<Listing>>> list(const std::vector<std::string>& directories,
                                            std::stop_token stop) override {
    std::vector<std::string> paths;
    for (const std::string& each : directories) {
      paths.push_back(full(each));
    }
    return pool_.with_session(16 << 20, std::move(stop),
                              [&](SftpSession& s, CallWait& wait) { return s.list(paths, wait); });
  }
  Result<Timestamp> write(const std::string& path, GatherView data, const WriteOptions& options,
                          std::stop_token stop) override {
    return pool_.with_session(static_cast<std::int64_t>(gather_size(data)), std::move(stop),
                              [&](SftpSession& s, CallWait& wait) { return write_once(s, path, data, options, wait); });
  }
  Status remove(const std::string& path, std::stop_token stop) override {
    const Status removed = pool_.with_session(
        0, std::move(stop), [&](SftpSession& s, CallWait& wait) { return s.remove(full(path), wait); });
    return removed.is(Code::not_found) ? Status() : removed;
  }
  Status make_root(std::stop_token stop) override {
    return pool_.with_session(0, std::move(stop), [&](SftpSession& s, CallWait& wait) -> Status {
      for (std::size_t slash = options_.path.find('/', 1);; slash = options_.path.find('/', slash + 1)) {
        TRY(make_directory(s, options_.path.substr(0, slash), wait));
        if (slash == std::string::npos) {
          return {};
        }
      }
    });
  }
  Result<Capacity> capacity() override {
    TRY_ASSIGN(const SftpVolume volume,
               pool_.with_session(0, {}, [&](SftpSession& s, CallWait& wait) { return s.volume(full(""), wait); }));
    return volume.capacity;
  }

 private:
  std::string full(const std::string& relative) const { return sys::join_path(options_.path, relative); }

  // Servers answer "failure" when it is there already.
  static Status make_directory(SftpSession& s, const std::string& path, CallWait& wait) {
    Status made = s.make_directory(path, wait);
    if (made.ok() || s.broken()) {
      return made;
    }
    const auto entry = s.stat(path, wait);
    return entry.ok() && entry->is_directory ? Status() : made;
  }

  Status make_shard_directories(SftpSession& s, const std::string& path, CallWait& wait) const {
    if (const auto root = s.stat(full(""), wait); !root.ok()) {
      TRY(root.code() == Code::not_found ? Status() : root.status());
      return error(Code::failed_precondition, "storage root {} is missing; is it mounted?", options_.path);
    }
    for (std::size_t slash = path.find('/'); slash != std::string::npos; slash = path.find('/', slash + 1)) {
      Status made = make_directory(s, full(path.substr(0, slash)), wait);
      // To the caller "not found" would mean the blob.
      TRY(made.is(Code::not_found) ? std::move(made).with_code(Code::failed_precondition) : std::move(made));
    }
    return {};
  }

  Result<Timestamp> write_once(SftpSession& s, const std::string& path, GatherView data, const WriteOptions& options,
                               CallWait& wait) const {
    const std::string target = full(path);
    const std::string temp = fmt::format("{}.tmp.{}", target, random_hex(8));
    Result<Timestamp> time = s.write_new_file(temp, data, options.mtime, wait);
    if (time.code() == Code::not_found) {
      TRY(make_shard_directories(s, path, wait));
      time = s.write_new_file(temp, data, options.mtime, wait);
    }
    Status done = time.status();
    if (done.ok()) {
      TRY(wait.check());
      done = options.existing == Existing::replace ? s.rename_over(temp, target, wait)
                                                   : rename_if_absent(s, temp, target, wait);
    }
    if (done.ok()) {
      return time;
    }
    if (!s.broken()) {
      (void)s.remove(temp, wait).ok();
      done = explain(s, std::move(done), gather_size(data), wait);
    }
    return done.is(Code::not_found) ? std::move(done).with_code(Code::failed_precondition) : done;
  }

  static Status rename_if_absent(SftpSession& s, const std::string& temp, const std::string& target, CallWait& wait) {
    Status done = s.rename_if_absent(temp, target, wait);
    if (!done.ok() && !s.broken() && s.stat(target, wait).ok()) {
      return std::move(done).with_code(Code::already_exists);
    }
    return done;
  }

  // A server that has no room, or may not write, says no more than "failure".
  Status explain(SftpSession& s, Status failed, std::size_t size, CallWait& wait) const {
    if (!failed.is(Code::unavailable) || s.broken()) {
      return failed;
    }
    const auto volume = s.volume(full(""), wait);
    if (!volume.ok()) {
      return failed;
    }
    if (volume->read_only) {
      return std::move(failed).with_code(Code::permission_denied).with_frame("read-only file system on the server");
    }
    if (volume->capacity.free_bytes < static_cast<std::int64_t>(size) + (64 << 10)) {
      return std::move(failed).with_code(Code::resource_exhausted).with_frame("no space left on the server");
    }
    return failed;
  }

  const SftpTreeOptions options_;
  SessionPool pool_;
};

}  // namespace

std::unique_ptr<RemoteTree> make_sftp_tree(SftpTreeOptions options) {
  return std::make_unique<SftpTree>(std::move(options));
}

}  // namespace cairn::blob
