#include "snapshot/restore_local_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace cairn::snapshot {
namespace {

// Below this, reserving space costs more than it saves.
constexpr std::int64_t kReserveFrom = 1 << 20;
// From here on the page cache is avoided.
constexpr std::int64_t kDirectFrom = 8 << 20;
constexpr std::size_t kDirectAlignment = 4096, kDirectPiece = 1 << 20;
constexpr std::size_t kSparseBlockMin = 4096, kSparseBlockMax = 1 << 20;

bool all_zero(ByteView bytes) {
  return bytes.empty() || (bytes[0] == 0 && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

class PlainWriter final : public FileWriter {
 public:
  explicit PlainWriter(int fd) : fd_(fd) {}
  Status write_at(std::int64_t offset, ByteView bytes) override { return sys::pwrite_all(fd_, bytes, offset); }
  Status finish() override { return {}; }

 private:
  int fd_;
};

// Memory for direct writes, one per thread.
Byte* aligned_buffer() {
  struct Free {
    void operator()(Byte* p) const { std::free(p); }
  };
  thread_local const std::unique_ptr<Byte, Free> buffer(
      static_cast<Byte*>(std::aligned_alloc(kDirectAlignment, kDirectPiece)));
  return buffer.get();
}

// Past the page cache: a large file would push everything else out of memory, and on many machines getting fresh pages
// is slower than the disk. The unaligned ends of a range go the ordinary way; they share no page with the middle.
class DirectWriter final : public FileWriter {
 public:
  DirectWriter(int fd, sys::UniqueFd direct) : fd_(fd), direct_(std::move(direct)) {}
  Status write_at(std::int64_t offset, ByteView bytes) override {
    const auto over = static_cast<std::size_t>(offset % static_cast<std::int64_t>(kDirectAlignment));
    const std::size_t head = std::min(bytes.size(), over == 0 ? 0 : kDirectAlignment - over);
    std::size_t at = head;
    while (!refused_ && bytes.size() - at >= kDirectAlignment) {
      const std::size_t n = std::min(kDirectPiece, (bytes.size() - at) / kDirectAlignment * kDirectAlignment);
      TRY_ASSIGN(const bool written, direct(offset + static_cast<std::int64_t>(at), bytes.subspan(at, n)));
      if (!written) {
        refused_ = true;
        break;
      }
      at += n;
    }
    TRY(sys::pwrite_all(fd_, bytes.first(head), offset));
    return sys::pwrite_all(fd_, bytes.subspan(at), offset + static_cast<std::int64_t>(at));
  }
  Status finish() override { return {}; }

 private:
  // False when the file system does not want it.
  Result<bool> direct(std::int64_t offset, ByteView piece) {
    Byte* const buffer = aligned_buffer();
    if (buffer == nullptr) {
      return false;
    }
    std::memcpy(buffer, piece.data(), piece.size());
    for (std::size_t done = 0; done < piece.size();) {
      const ssize_t n =
          ::pwrite(direct_.get(), buffer + done, piece.size() - done, offset + static_cast<std::int64_t>(done));
      if (n < 0 && errno == EINTR) {
        continue;
      }
      if (n < 0 && errno != EINVAL) {
        return errno_status(errno, "pwrite");
      }
      if (n <= 0) {
        return false;
      }
      done += static_cast<std::size_t>(n);
    }
    return true;
  }
  int fd_;
  sys::UniqueFd direct_;
  std::atomic<bool> refused_{false};
};

// Blocks of zeros are not written; the file has its length already.
class SparseWriter final : public FileWriter {
 public:
  SparseWriter(int fd, std::size_t block) : fd_(fd), block_(block) {}
  Status write_at(std::int64_t offset, ByteView bytes) override {
    std::size_t run = 0;  // start of what is to be written
    std::size_t at = 0;
    while (at < bytes.size()) {
      const std::size_t in_block =
          static_cast<std::size_t>((offset + static_cast<std::int64_t>(at)) % static_cast<std::int64_t>(block_));
      const std::size_t n = std::min(block_ - in_block, bytes.size() - at);
      if (all_zero(bytes.subspan(at, n))) {
        TRY(flush(offset, bytes, run, at));
        run = at + n;
      }
      at += n;
    }
    return flush(offset, bytes, run, bytes.size());
  }
  Status finish() override { return {}; }

 private:
  Status flush(std::int64_t offset, ByteView bytes, std::size_t from, std::size_t to) {
    if (from == to) {
      return {};
    }
    return sys::pwrite_all(fd_, bytes.subspan(from, to - from), offset + static_cast<std::int64_t>(from));
  }
  int fd_;
  std::size_t block_;
};

}  // namespace

Result<std::unique_ptr<FileWriter>> FileWriter::create(const FileTarget& target, std::int64_t length, bool sparse) {
  const int fd = target.fd.get();
  if (sparse && target.regular) {
    struct stat st {};
    if (::ftruncate(fd, length) != 0 || ::fstat(fd, &st) != 0) {
      return errno_status(errno, "truncate");
    }
    const auto block = std::clamp(static_cast<std::size_t>(st.st_blksize), kSparseBlockMin, kSparseBlockMax);
    return std::unique_ptr<FileWriter>(std::make_unique<SparseWriter>(fd, block));
  }
  if (target.regular && length >= kReserveFrom) {
    // Where it is not supported, writing finds out.
    if (::fallocate(fd, 0, 0, length) != 0 && (errno == ENOSPC || errno == EFBIG || errno == EDQUOT)) {
      return errno_status(errno, "fallocate");
    }
  }
  if (target.regular && length >= kDirectFrom) {
    // A second descriptor of the same file; without /proc it stays with the ordinary one.
    const int direct = ::open(fmt::format("/proc/self/fd/{}", fd).c_str(), O_WRONLY | O_DIRECT | O_CLOEXEC);
    if (direct >= 0) {
      return std::unique_ptr<FileWriter>(std::make_unique<DirectWriter>(fd, sys::UniqueFd(direct)));
    }
  }
  return std::unique_ptr<FileWriter>(std::make_unique<PlainWriter>(fd));
}

void abandon_target(FileTarget& target, int dirfd, const std::string& name) {
  if (!target.temporary.empty()) {
    (void)::unlinkat(dirfd, target.temporary.c_str(), 0);
    target.temporary.clear();
  } else if (target.created) {
    (void)::unlinkat(dirfd, name.c_str(), 0);
  }
  target.created = false;
}

}  // namespace cairn::snapshot
