#include "format/format_cache.h"

#include "base/log.h"
#include "sys/file.h"

namespace cairn::format {
namespace {

constexpr std::size_t kFileSizeMax = 1 << 20;
// Clocks of file servers differ a little.
constexpr Duration kFutureMax = minutes(1);

}  // namespace

std::optional<FormatCache::Cached> FormatCache::get(const char* name, Duration age_max, Timestamp now) const {
  if (directory_.empty()) {
    return std::nullopt;
  }
  const std::string path = sys::join_path(directory_, name);
  const auto info = sys::stat_path(path);
  if (!info.ok() || !info->is_regular()) {
    return std::nullopt;
  }
  const Duration age = now - info->mtime;
  if (age >= age_max || age.ns < -kFutureMax.ns) {
    return std::nullopt;
  }
  const auto bytes = sys::read_file(path, kFileSizeMax);
  if (!bytes.ok() || bytes->empty()) {
    return std::nullopt;
  }
  return Cached{Bytes(bytes->view().begin(), bytes->view().end()), std::min(info->mtime, now)};
}

void FormatCache::put(const char* name, ByteView bytes) const {
  if (directory_.empty()) {
    return;
  }
  Status status = sys::make_directories(directory_, 0700);
  if (status.ok()) {
    status = sys::write_file_atomic(sys::join_path(directory_, name), bytes, 0600);
  }
  if (!status.ok()) {
    log::debug("format", "cannot cache {}: {}", name, status.message());
  }
}

void FormatCache::remove(const char* name) const {
  if (directory_.empty()) {
    return;
  }
  if (const Status status = sys::remove_file(sys::join_path(directory_, name)); !status.ok()) {
    log::debug("format", "cannot drop cached {}: {}", name, status.message());
  }
}

}  // namespace cairn::format
