#include "content/slab_buffer.h"

#include <sys/mman.h>

#include <algorithm>
#include <mutex>

namespace cairn::content {
namespace {

// Slabs are mapped, not allocated: page aligned, so that a store may write them with O_DIRECT, and given back to the
// system whatever was allocated beside them.
class SlabPool {
 public:
  Byte* take() {
    {
      const std::lock_guard lock(mutex_);
      if (!free_.empty()) {
        Byte* s = free_.back();
        free_.pop_back();
        return s;
      }
    }
    void* s = ::mmap(nullptr, kSlabSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(s != MAP_FAILED, "out of memory");
    return static_cast<Byte*>(s);
  }
  void give(Byte* slab) {
    const std::lock_guard lock(mutex_);
    free_.push_back(slab);
  }
  void trim() {
    std::vector<Byte*> unused;
    {
      const std::lock_guard lock(mutex_);
      unused.swap(free_);
    }
    for (Byte* s : unused) {
      ::munmap(s, kSlabSize);
    }
  }

 private:
  std::mutex mutex_;
  std::vector<Byte*> free_;
};

SlabPool& pool() {
  static auto* p = new SlabPool();  // never destroyed: buffers may outlive static destruction
  return *p;
}

}  // namespace

SlabBuffer::~SlabBuffer() {
  for (Byte* s : slabs_) {
    pool().give(s);
  }
}

void SlabBuffer::trim_pool() { pool().trim(); }

void SlabBuffer::reserve(std::size_t n, std::vector<MutByteView>& pieces) {
  while (n > 0) {
    const std::size_t used = size_ % kSlabSize;
    if (used == 0) {
      slabs_.push_back(pool().take());
    }
    const std::size_t part = std::min(n, kSlabSize - used);
    pieces.push_back({slabs_.back() + used, part});
    size_ += part;
    n -= part;
  }
}

void SlabBuffer::append(ByteView bytes) {
  std::vector<MutByteView> parts;
  reserve(bytes.size(), parts);
  for (const MutByteView& p : parts) {
    std::copy_n(bytes.data(), p.size(), p.data());
    bytes = bytes.subspan(p.size());
  }
}

void SlabBuffer::pieces(std::size_t offset, std::size_t n, std::vector<ByteView>& out) const {
  CHECK(offset + n <= size_, "range outside the buffer");
  while (n > 0) {
    const std::size_t at = offset % kSlabSize;
    const std::size_t part = std::min(n, kSlabSize - at);
    out.push_back({slabs_[offset / kSlabSize] + at, part});
    offset += part;
    n -= part;
  }
}

}  // namespace cairn::content
