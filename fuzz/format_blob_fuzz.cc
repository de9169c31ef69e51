// kopia.repository: the outer JSON, and the sealed part with a key that is no secret.
#include <array>

#include "format/repository_format.h"

using namespace cairn;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static constexpr std::array<Byte, 32> kKey{};
  const ByteView bytes{data, size};
  const Result<format::FormatBlob> blob = format::FormatBlob::parse(bytes);
  if (blob.ok()) {
    (void)format::open_parameters(*blob, kKey);
  }
  (void)format::open_blob_config(bytes, kKey, kKey);
  (void)format::recover_replica(bytes, bytes);
  return 0;
}
