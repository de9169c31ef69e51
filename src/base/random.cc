#include "base/random.h"

#include <openssl/rand.h>

#include <algorithm>
#include <unistd.h>

namespace cairn {
namespace {

struct Block {
  Byte bytes[4096];
  std::size_t used = sizeof bytes;
  pid_t pid = 0;
};
thread_local Block block;

}  // namespace

void random_bytes(MutByteView out) {
  if (out.size() > sizeof block.bytes / 4) {
    CHECK(RAND_bytes(out.data(), static_cast<int>(out.size())) == 1, "no random bytes");
    return;
  }
  if (block.pid != getpid()) {  // a forked child must not repeat its parent's nonces
    block.pid = getpid();
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
