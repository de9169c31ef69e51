#include "snapshot/restore_local_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace cairn::snapshot {
namespace {

// Below this, reserving space costs more than it saves.
constexpr std::int64_t kReserveFrom = 1 << 20;
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
