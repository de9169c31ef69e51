#include "base/random.h"

#include <openssl/rand.h>

#include <pthread.h>
#include <algorithm>
#include <atomic>

namespace cairn {
namespace {

// Counts the forks that led to this process; asking for the process id would be a system call each time.
std::atomic<unsigned> forks{0};
[[maybe_unused]] const int fork_handler = pthread_atfork(nullptr, nullptr, [] { ++forks; });

struct Block {
  Byte bytes[4096];
  std::size_t used = sizeof bytes;
  unsigned forks_seen = 0;
};
thread_local Block block;

}  // namespace

void random_bytes(MutByteView out) {
  if (out.size() > sizeof block.bytes / 4) {
    CHECK(RAND_bytes(out.data(), static_cast<int>(out.size())) == 1, "no random bytes");
    return;
  }
  if (block.forks_seen !=
      forks.load(std::memory_order_relaxed)) {  // a forked child must not repeat its parent's nonces
    block.forks_seen = forks.load(std::memory_order_relaxed);
    block.used = sizeof block.bytes;
  }
  if (block.used + out.size() > sizeof block.bytes) {
    CHECK(RAND_bytes(block.bytes, sizeof block.bytes) == 1, "no random bytes");
    block.used = 0;
  }
  std::copy_n(block.bytes + block.used, out.size(), out.data());
  std::fill_n(block.bytes + block.used, out.size(), Byte{0});
  block.used += out.size();
}

std::string random_hex(std::size_t count) {
  Bytes b(count);
  random_bytes(b);
  return hex_encode(b);
}

std::uint64_t random_u64() {
  Byte b[8];
  random_bytes(b);
  return load_be64(b);
}

}  // namespace cairn
