// What an upload tells while it runs. Read by terminals and by the server at any time.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

namespace cairn::snapshot {

struct UploadCounters {
  std::atomic<std::int64_t> hashing_files{0};  // being read now
  std::atomic<std::int64_t> hashed_files{0}, hashed_bytes{0};
  std::atomic<std::int64_t> cached_files{0}, cached_bytes{0};
  std::atomic<std::int64_t> uploaded_bytes{0};  // sent to the storage
  std::atomic<std::int64_t> excluded_files{0}, excluded_dirs{0}, excluded_bytes{0};
  std::atomic<std::int64_t> errors{0}, ignored_errors{0};
  std::atomic<std::int64_t> directories{0};
  std::atomic<std::int64_t> estimated_files{-1}, estimated_bytes{-1};  // −1: not known (yet)
};

// Thread-safe. Hooks are called from any thread of the upload and must return soon.
class UploadProgress {
 public:
  virtual ~UploadProgress() = default;

  virtual void on_entry_error(const std::string& path, const std::string& message, bool ignored) {
    (void)path;
    (void)message;
    (void)ignored;
  }
  virtual void on_checkpoint() {}

  UploadCounters counters;

  void set_current_path(std::string_view path) {
    const std::scoped_lock lock(mutex_);
    current_path_.assign(path);
  }
  std::string current_path() const {
    const std::scoped_lock lock(mutex_);
    return current_path_;
  }
  void set_last_error(std::string_view path, std::string_view message) {
    const std::scoped_lock lock(mutex_);
    last_error_path_.assign(path);
    last_error_.assign(message);
  }
  std::pair<std::string, std::string> last_error() const {
    const std::scoped_lock lock(mutex_);
    return {last_error_path_, last_error_};
  }

 private:
  mutable std::mutex mutex_;
  std::string current_path_, last_error_path_, last_error_;
};

}  // namespace cairn::snapshot
