#include "content/cache.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <mutex>
#include <set>
#include <vector>

#include "base/log.h"
#include "base/random.h"
#include "crypto/kdf.h"
#include "sys/file.h"

namespace cairn::content {
namespace {

constexpr std::size_t kMacSize = 32;
constexpr std::size_t kEntrySizeMax = std::size_t{256} << 20;

class MissingCache final : public BlobCache {
 public:
  std::optional<Buffer> get(std::string_view) override { return std::nullopt; }
  std::optional<Buffer> get_range(std::string_view, std::int64_t, std::int64_t) override { return std::nullopt; }
  bool put(std::string_view, ByteView) override { return false; }
  void remove(std::string_view) override {}
  Usage usage() override { return {}; }
  bool enabled() const override { return false; }
};

class DiskCache final : public BlobCache {
 public:
  DiskCache(std::string directory, ByteView key, std::int64_t bytes_max, Duration min_age, const Clock& clock)
      : directory_(std::move(directory)), key_(key), bytes_max_(bytes_max), min_age_(min_age), clock_(clock) {}

  std::optional<Buffer> get(std::string_view key) override {
    auto file = sys::read_file(path(key), kEntrySizeMax);
    if (!file.ok() || file->size() < kMacSize) {
      return std::nullopt;
    }
    const ByteView body = file->view().first(file->size() - kMacSize);
    const auto mac = authenticate(key, body);
    if (!crypto::constant_time_equal(mac, file->view().last(kMacSize))) {
      log::debug("cache", "cache entry {} is damaged and was dropped", key);
      remove(key);
      return std::nullopt;
    }
    touch(key);
    file->resize(body.size());
    return std::move(*file);
  }

  std::optional<Buffer> get_range(std::string_view key, std::int64_t offset, std::int64_t length) override {
    if (known_authentic(key)) {
      return read_range(key, offset, length);
    }
    // Entries may be large: one at a time is in memory whole, and once is enough.
    const std::lock_guard one_at_a_time(authenticating_);
    if (known_authentic(key)) {
      return read_range(key, offset, length);
    }
    auto whole = get(key);
    if (!whole) {
      return std::nullopt;
    }
    const std::lock_guard lock(mutex_);
    authentic_.emplace(key);
    if (offset < 0 || length < 0 || offset + length > static_cast<std::int64_t>(whole->size())) {
      return std::nullopt;
    }
    return Buffer::copy_of(whole->view().subspan(static_cast<std::size_t>(offset), static_cast<std::size_t>(length)));
  }

  bool put(std::string_view key, ByteView bytes) override {
    if (static_cast<std::int64_t>(bytes.size()) > bytes_max_ || bytes.size() > kEntrySizeMax) {
      return false;
    }
    make_room(static_cast<std::int64_t>(bytes.size() + kMacSize));
    const std::string target = path(key);
    const std::string temp = target + ".tmp." + random_hex(8);
    if (!sys::make_directories(sys::parent_path(target), 0700).ok()) {
      return false;
    }
    auto fd = sys::open_file(temp, O_WRONLY | O_CREAT | O_EXCL, 0600);
    if (!fd.ok()) {
      return false;
    }
    const auto mac = authenticate(key, bytes);
    const ByteView parts[] = {bytes, mac};
    if (!sys::writev_all(fd->get(), parts).ok() || !sys::rename_file(temp, target).ok()) {
      (void)sys::remove_file(temp);
      return false;
    }
    const std::lock_guard lock(mutex_);
    total_ += static_cast<std::int64_t>(bytes.size() + kMacSize);
    authentic_.emplace(key);
    return true;
  }

  void remove(std::string_view key) override {
    (void)sys::remove_file(path(key));
    const std::lock_guard lock(mutex_);
    authentic_.erase(std::string(key));
  }

  Usage usage() override {
    Usage u;
    for (const File& f : scan()) {
      ++u.files;
      u.bytes += f.size;
    }
    return u;
  }

  bool enabled() const override { return true; }

 private:
  struct File {
    std::string path;
    std::int64_t size;
    Timestamp mtime;
  };

  bool known_authentic(std::string_view key) {
    const std::lock_guard lock(mutex_);
    return authentic_.contains(key);
  }

  std::string path(std::string_view key) const {
    const std::size_t shard = std::min<std::size_t>(key.size(), 3);
    return fmt::format("{}/{}/{}", directory_, key.substr(0, shard), key);
  }

  std::array<Byte, 32> authenticate(std::string_view key, ByteView body) const {
    // The name is part of the message: an entry renamed to another key does not authenticate.
    Buffer name_key = Buffer::copy_of(key_.view());
    name_key.append(key);
    return crypto::hmac_sha256(name_key.view(), body);
  }

  std::optional<Buffer> read_range(std::string_view key, std::int64_t offset, std::int64_t length) const {
    auto fd = sys::open_file(path(key), O_RDONLY);
    if (!fd.ok() || offset < 0 || length < 0) {
      return std::nullopt;
    }
    Buffer out(static_cast<std::size_t>(length));
    if (!sys::pread_exact(fd->get(), out.mut(), offset).ok()) {
      return std::nullopt;
    }
    return out;
  }

  void touch(std::string_view key) const { (void)::utimensat(AT_FDCWD, path(key).c_str(), nullptr, 0); }

  std::vector<File> scan() const {
    std::vector<File> files;
    DIR* top = ::opendir(directory_.c_str());
    if (top == nullptr) {
      return files;
    }
    while (const dirent* shard = ::readdir(top)) {
      if (shard->d_name[0] == '.') {
        continue;
      }
      const std::string sub = directory_ + "/" + shard->d_name;
      DIR* d = ::opendir(sub.c_str());
      if (d == nullptr) {
        continue;
      }
      while (const dirent* e = ::readdir(d)) {
        if (e->d_name[0] == '.') {
          continue;
        }
        const std::string file = sub + "/" + e->d_name;
        if (auto info = sys::lstat_path(file); info.ok() && info->is_regular()) {
          files.push_back({file, info->size, info->mtime});
        }
      }
      ::closedir(d);
    }
    ::closedir(top);
    return files;
  }

  // Removes the entries used longest ago until `need` more bytes fit. Entries younger than the sweep age stay as long
  // as the cap allows it: the cap is hard.
  void make_room(std::int64_t need) {
    {
      const std::lock_guard lock(mutex_);
      if (total_ >= 0 && total_ + need <= bytes_max_) {
        return;
      }
    }
    std::vector<File> files = scan();
    std::int64_t total = 0;
    for (const File& f : files) {
      total += f.size;
    }
    std::ranges::sort(files, {}, &File::mtime);
    const Timestamp young = clock_.now() - min_age_;
    for (const bool also_young : {false, true}) {
      for (File& f : files) {
        if (total + need <= bytes_max_) {
          break;
        }
        if (f.size >= 0 && (also_young || f.mtime < young)) {
          (void)sys::remove_file(f.path);
          total -= f.size;
          f.size = -1;
        }
      }
    }
    const std::lock_guard lock(mutex_);
    total_ = total;
  }

  const std::string directory_;
  const SecretBytes key_;
  const std::int64_t bytes_max_;
  const Duration min_age_;
  const Clock& clock_;
  std::mutex authenticating_;
  std::mutex mutex_;
  std::int64_t total_ = -1;  // unknown until the first scan
  std::set<std::string, std::less<>> authentic_;
};

}  // namespace

std::unique_ptr<BlobCache> BlobCache::open(const std::string& directory, ByteView hmac_key, std::int64_t bytes_max,
                                           Duration min_sweep_age, const Clock& clock) {
  if (directory.empty() || bytes_max <= 0) {
    return std::make_unique<MissingCache>();
  }
  return std::make_unique<DiskCache>(directory, hmac_key, bytes_max, min_sweep_age, clock);
}

void prepare_cache_directory(const std::string& directory) {
  if (Status s = sys::make_directories(directory, 0700); !s.ok()) {
    log::debug("cache", "cache directory cannot be made: {}", s.message());
    return;
  }
  const std::string tag = directory + "/CACHEDIR.TAG";
  if (!sys::file_exists(tag)) {
    static constexpr std::string_view kTag =
        "Signature: 8a477f597d28d172789f06886806bc55\n"
        "# This file is a cache directory tag created by Cairn.\n"
        "# For information about cache directory tags, see: http://www.brynosaurus.com/cachedir/\n";
    (void)sys::write_file_atomic(tag, as_bytes(kTag), 0600);
  }
}

}  // namespace cairn::content
