// Growing byte string in 1 MiB slabs from a process-wide pool: packs are built in place and uploaded as a gather list,
// so their bytes are held once and fresh memory is not mapped per pack.
#pragma once

#include <memory>
#include <vector>

#include "base/bytes.h"

namespace cairn::content {

inline constexpr std::size_t kSlabSize = std::size_t{1} << 20;

// Not thread-safe; but bytes in ranges already reserved may be written by other threads while it grows.
class SlabBuffer {
 public:
  SlabBuffer() = default;
  ~SlabBuffer();
  SlabBuffer(SlabBuffer&& o) noexcept : slabs_(std::move(o.slabs_)), size_(o.size_) {
    o.slabs_.clear();
    o.size_ = 0;
  }
  SlabBuffer& operator=(SlabBuffer&&) = delete;
  SlabBuffer(const SlabBuffer&) = delete;
  SlabBuffer& operator=(const SlabBuffer&) = delete;

  // Unmaps the pool's unused slabs: what follows writing (an index, maintenance) needs the memory.
  static void trim_pool();

  std::size_t size() const { return size_; }
  // Grows by n and appends the new range's pieces to `pieces`. Content is indeterminate.
  void reserve(std::size_t n, std::vector<MutByteView>& pieces);
  void append(ByteView bytes);
  // Pieces of [offset, offset + n).
  void pieces(std::size_t offset, std::size_t n, std::vector<ByteView>& out) const;

 private:
  std::vector<Byte*> slabs_;
  std::size_t size_ = 0;
};

}  // namespace cairn::content
