#include "cli/log_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <mutex>
#include <vector>

#include "base/status.h"
#include "cli/console.h"
#include "content/cache.h"

namespace cairn::cli {
namespace {

constexpr const char* kCliLogs = "cli-logs";
constexpr const char* kContentLogs = "content-logs";

// Like mkdir -p with mode 0700. On failure `failed` is the directory that could not be made; 0 = success.
int make_directories(const std::string& path, std::string& failed) {
  for (std::size_t at = 1; at <= path.size(); ++at) {
    if (at != path.size() && path[at] != '/') {
      continue;
    }
    const std::string part = path.substr(0, at);
    if (::mkdir(part.c_str(), 0700) != 0 && errno != EEXIST && errno != EISDIR) {
      // An ancestor on a read-only system gives EROFS or EACCES although it exists.
      const int code = errno;
      struct stat st {};
      if (::stat(part.c_str(), &st) != 0 || !S_ISDIR(st.st_mode)) {
        failed = part;
        return code;
      }
    }
  }
  return 0;
}

std::string stamp(Timestamp t, bool local) {
  const CivilTime c = local ? civil_local(t) : civil_utc(t);
  std::string text = fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}", c.year, c.month, c.day, c.hour, c.minute,
                                 c.second, c.nanosecond / 1000);
  if (c.offset_seconds == 0) {
    return text + "Z";
  }
  const int minutes_east = c.offset_seconds / 60;
  return text + fmt::format("{}{:02}{:02}", minutes_east < 0 ? '-' : '+', std::abs(minutes_east) / 60,
                            std::abs(minutes_east) % 60);
}

class LogFileSink : public log::Sink {
 public:
  LogFileSink(const LogFileOptions& options, std::string stem) : options_(options), stem_(std::move(stem)) {}
  ~LogFileSink() override {
    if (fd_ >= 0) {
      ::close(fd_);
    }
  }
  // The next segment. 0 or an errno.
  int open_segment() {
    const std::string name = stem_.empty() ? options_.file : fmt::format("{}.{}.log", stem_, segment_);
    const int fd = ::open(name.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0) {
      return errno;
    }
    if (fd_ >= 0) {
      ::close(fd_);
    }
    fd_ = fd;
    size_ = 0;
    if (!stem_.empty()) {
      ++segment_;
      const std::filesystem::path path(name);
      const std::string link = (path.parent_path() / "latest.log").string();
      const std::string fresh = link + "." + std::to_string(::getpid());
      if (::symlink(path.filename().c_str(), fresh.c_str()) == 0 && ::rename(fresh.c_str(), link.c_str()) != 0) {
        ::unlink(fresh.c_str());
      }
    }
    return 0;
  }
  log::Level level() const override { return options_.level; }
  void write(log::Level level, std::string_view module, std::string_view message, std::string_view fields) override {
    std::string line;
    if (options_.json) {
      line = json_log_line(level, module, message, fields);
    } else {
      line = fmt::format("{} {} kopia/{} {}", stamp(system_clock().now(), options_.local_time), level_name(level),
                         module, message);
      if (!fields.empty()) {
        line.append("\t").append(fields);
      }
    }
    line += '\n';
    const std::lock_guard lock(mutex_);
    write_fd(fd_, line);  // a short append to a local file; order matters more than the wait
    size_ += static_cast<std::int64_t>(line.size());
    if (!stem_.empty() && size_ >= options_.segment_bytes_max) {
      open_segment();
    }
  }

 private:
  LogFileOptions options_;
  std::string stem_;  // path without ".<segment>.log"; "" = one fixed file
  std::mutex mutex_;
  int fd_ = -1, segment_ = 0;
  std::int64_t size_ = 0;
};

std::shared_ptr<log::Sink> open_sink(const LogFileOptions& options, const std::string& stem) {
  auto sink = std::make_shared<LogFileSink>(options, stem);
  const int code = sink->open_segment();
  if (code != 0) {
    write_fd(STDERR_FILENO, fmt::format("unable to open log file: open {}: {}\n", stem.empty() ? options.file : stem,
                                        errno_text(code)));
    return nullptr;
  }
  return sink;
}

}  // namespace

std::shared_ptr<log::Sink> make_log_file_sink(const LogFileOptions& options) {
  if (!options.file.empty()) {
    return open_sink(options, "");
  }
  if (options.directory.empty()) {
    return nullptr;
  }
  for (const char* part : {kContentLogs, kCliLogs}) {
    const std::string directory = options.directory + "/" + part;
    std::string failed;
    if (const int code = make_directories(directory, failed); code != 0) {
      write_fd(STDERR_FILENO, fmt::format("Unable to create logs directory: mkdir {}: {}\n", failed, errno_text(code)));
      return nullptr;
    }
    content::prepare_cache_directory(directory);
  }
  const CivilTime t = civil_utc(system_clock().now());
  return open_sink(options,
                   fmt::format("{}/{}/kopia-{:04}{:02}{:02}-{:02}{:02}{:02}-{}-{}", options.directory, kCliLogs, t.year,
                               t.month, t.day, t.hour, t.minute, t.second, ::getpid(), options.command));
}

void sweep_logs(const std::string& directory, const SweepLimits& limits, Timestamp now) {
  struct File {
    std::filesystem::path path;
    Timestamp modified;
    std::int64_t bytes;
  };
  std::vector<File> files;
  std::error_code code;
  for (std::filesystem::directory_iterator it(directory, code), end; !code && it != end; it.increment(code)) {
    const std::string name = it->path().filename().string();
    struct stat st {};
    if (name.starts_with("kopia-") && name.ends_with(".log") && ::lstat(it->path().c_str(), &st) == 0 &&
        S_ISREG(st.st_mode)) {
      files.push_back({it->path(), Timestamp{st.st_mtim.tv_sec * 1'000'000'000LL + st.st_mtim.tv_nsec}, st.st_size});
    }
  }
  std::ranges::sort(files, [](const File& a, const File& b) { return a.modified > b.modified; });
  std::int64_t kept = 0, bytes = 0;
  for (const File& file : files) {
    ++kept;
    bytes += file.bytes;
    if (kept > limits.files_max || now - file.modified > limits.age_max || bytes > limits.bytes_max) {
      ::unlink(file.path.c_str());
    }
  }
}

}  // namespace cairn::cli
