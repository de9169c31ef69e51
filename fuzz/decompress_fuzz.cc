// Stored contents after decryption: every decompressor with any bytes, within the given bound of size.
#include "compress/codec.h"

using namespace cairn;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t kSizeMax = 1 << 20;
  if (size < 1) {
    return 0;
  }
  const auto algorithms = compress::algorithms();
  const compress::HeaderId id = algorithms[data[0] % algorithms.size()].id;
  Buffer stored(4);
  store_be32(stored.data(), id);
  stored.append(ByteView{data + 1, size - 1});
  Buffer out;
  if (compress::decompress(id, stored, out, 0, kSizeMax).ok()) {
    CHECK(out.size() <= kSizeMax);
  }
  Buffer plain;
  (void)compress::gunzip({data + 1, size - 1}, plain, kSizeMax);
  return 0;
}
