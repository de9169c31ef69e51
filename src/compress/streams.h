// The containers without their 4-byte header. Internal to compress/. Every writer appends to `out`; every reader
// appends at most `size_max` bytes and treats what it reads as hostile.
#pragma once

#include <algorithm>

#include "base/bytes.h"

namespace cairn::compress {

// What a reader may produce and what it should expect (0 = unknown).
struct OutputLimits {
  std::size_t size_hint = 0;
  std::size_t size_max = 0;
};

Status zstd_write(int level, ByteView data, Buffer& out);
Status zstd_read(ByteView in, Buffer& out, OutputLimits limits);

enum class Container { raw, gzip };
enum class Effort { fast, normal, best };
Status deflate_write(Container container, Effort effort, ByteView data, Buffer& out);
// gzip: one or more members to the end of the input; raw: exactly one stream.
Status deflate_read(Container container, ByteView in, Buffer& out, OutputLimits limits);

Status s2_write(ByteView data, Buffer& out);
Status s2_read(ByteView in, Buffer& out, OutputLimits limits);

Status lz4_read(ByteView in, Buffer& out, OutputLimits limits);

inline Status too_large(std::size_t size_max) {
  return error(Code::corrupt, "decompressed data exceeds {} bytes", size_max);
}

// True if a sample of `data` hardly shrinks, so that a slow compressor would waste its time.
bool looks_incompressible(ByteView data);

// The free end of a Buffer, grown by doubling up to one byte more than `size_max`, so that an excess is seen.
class GrowingOutput {
 public:
  GrowingOutput(Buffer& out, OutputLimits limits, std::size_t first_room)
      : out_(out), begin_(out.size()), size_max_(limits.size_max) {
    grow_to(limits.size_hint != 0 ? limits.size_hint : first_room);
  }
  // At least one free byte, unless exceeded().
  MutByteView room() {
    if (produced_ == capacity_) {
      grow_to(std::max<std::size_t>(capacity_ * 2, 4096));
    }
    return {out_.data() + begin_ + produced_, capacity_ - produced_};
  }
  void commit(std::size_t n) { produced_ += n; }
  bool exceeded() const { return produced_ > size_max_; }
  std::size_t produced() const { return produced_; }
  void finish() { out_.resize(begin_ + produced_); }
  void discard() { out_.resize(begin_); }

 private:
  void grow_to(std::size_t capacity) {
    capacity_ = std::min(capacity, size_max_ + 1);
    out_.resize(begin_ + capacity_);
  }
  Buffer& out_;
  std::size_t begin_;
  std::size_t size_max_;
  std::size_t capacity_ = 0;
  std::size_t produced_ = 0;
};

}  // namespace cairn::compress
