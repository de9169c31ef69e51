#include "sys/bulk_write.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>

namespace cairn::sys {
namespace {

constexpr std::size_t kDirectMin = 1 << 20;
constexpr std::size_t kPieceMax = 4 << 20;
constexpr std::size_t kAlign = 4096;  // of memory, offset and length; devices with larger blocks answer EINVAL

struct FreeDeleter {
  void operator()(Byte* p) const { std::free(p); }
};

bool set_direct(int fd, bool on) {
  const int flags = ::fcntl(fd, F_GETFL);
  return flags >= 0 && ::fcntl(fd, F_SETFL, on ? flags | O_DIRECT : flags & ~O_DIRECT) == 0;
}

class BulkWriter {
 public:
  BulkWriter(int fd, std::size_t total, const std::function<Status()>& check)
      : fd_(fd), check_(check), direct_(total >= kDirectMin && set_direct(fd, true)), piece_max_(piece_max(total)) {}

  Status write(GatherView parts) {
    for (ByteView part : parts) {
      while (!part.empty()) {
        TRY_ASSIGN(const std::size_t n, take(part));
        part = part.subspan(n);
      }
    }
    TRY(flush());
    if (padding_ > 0) {
      if (::ftruncate(fd_, static_cast<off_t>(offset_ - padding_)) != 0) {
        return errno_status(errno, "truncate");
      }
    }
    return {};
  }

 private:
  static std::size_t piece_max(std::size_t total) {
    return std::min(kPieceMax, (total + kAlign - 1) / kAlign * kAlign);
  }

  // Takes some of the part: written from where it lies if that is aligned, else gathered in the buffer.
  Result<std::size_t> take(ByteView part) {
    const bool aligned = reinterpret_cast<std::uintptr_t>(part.data()) % kAlign == 0;
    if (used_ == 0 && part.size() >= kAlign && (aligned || !direct_)) {
      std::size_t n = std::min(part.size(), kPieceMax);
      n -= direct_ ? n % kAlign : 0;
      TRY(write_piece(part.first(n)));
      return n;
    }
    if (!buffer_) {
      buffer_.reset(static_cast<Byte*>(std::aligned_alloc(kAlign, piece_max_)));
      if (!buffer_) {
        return error(Code::resource_exhausted, "no memory for a write buffer");
      }
    }
    TRY(check_());  // a caller that has left in the meantime no longer keeps the part's memory
    const std::size_t n = std::min(part.size(), piece_max_ - used_);
    std::memcpy(buffer_.get() + used_, part.data(), n);
    used_ += n;
    if (used_ == piece_max_) {
      TRY(flush());
    }
    return n;
  }

  Status flush() {
    if (used_ == 0) {
      return {};
    }
    std::size_t size = used_;
    if (direct_) {
      size = (used_ + kAlign - 1) / kAlign * kAlign;
      std::memset(buffer_.get() + used_, 0, size - used_);
      padding_ = size - used_;
    }
    used_ = 0;
    return write_piece(ByteView(buffer_.get(), size));
  }

  Status write_piece(ByteView piece) {
    TRY(check_());
    while (!piece.empty()) {
      const ssize_t n = ::pwrite(fd_, piece.data(), piece.size(), static_cast<off_t>(offset_));
      if (n < 0 && errno == EINTR) {
        continue;
      }
      if (n < 0 && errno == EINVAL && direct_ && set_direct(fd_, false)) {
        direct_ = false;
        continue;
      }
      if (n <= 0) {
        return errno_status(n == 0 ? EIO : errno, "write");
      }
      offset_ += static_cast<std::size_t>(n);
      piece = piece.subspan(static_cast<std::size_t>(n));
      // A short write (disk nearly full) leaves an unaligned rest, which only plain writes can take.
      if (direct_ && !piece.empty() && n % static_cast<ssize_t>(kAlign) != 0 && set_direct(fd_, false)) {
        direct_ = false;
      }
    }
    return {};
  }

  int fd_;
  const std::function<Status()>& check_;
  bool direct_;
  std::size_t piece_max_;
  std::unique_ptr<Byte, FreeDeleter> buffer_;
  std::size_t used_ = 0;     // bytes waiting in the buffer
  std::size_t offset_ = 0;   // bytes written
  std::size_t padding_ = 0;  // of these, zeros after the end
};

}  // namespace

Status write_bulk(int fd, GatherView parts, const std::function<Status()>& check) {
  const std::size_t total = gather_size(parts);
  if (total == 0) {
    return check();
  }
  return BulkWriter(fd, total, check).write(parts);
}

}  // namespace cairn::sys
