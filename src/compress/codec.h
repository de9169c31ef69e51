// Compressors of the format. docs/format/compression.md (kopia-format §11, kopia-model §3)
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "base/bytes.h"

namespace cairn::compress {

// Stored form: u32 big-endian header id ‖ compressed stream.
using HeaderId = std::uint32_t;
inline constexpr HeaderId kNone = 0;
inline constexpr HeaderId kZstdFastest = 0x1101;

struct Algorithm {
  std::string_view name;
  HeaderId id;
  bool deprecated;  // still works
  bool writable;    // lz4 can only be read
};
// All algorithms, sorted by name; "none" is not among them.
std::span<const Algorithm> algorithms();
const Algorithm* find_by_name(std::string_view name);  // null: unknown
const Algorithm* find_by_id(HeaderId id);

// Appends header id and stream to `out`. Contexts are kept per thread. Deflate-family codecs first test whether the
// data compresses at all. Errors: unsupported (unknown or read-only id), internal.
Status compress(HeaderId id, ByteView data, Buffer& out);

// `stored` includes the 4 header bytes, which must equal `id`. Appends to `out`; `size_hint` (0 = unknown) reserves.
// The result may not exceed `size_max`. Errors: corrupt, unsupported.
Status decompress(HeaderId id, ByteView stored, Buffer& out, std::size_t size_hint = 0,
                  std::size_t size_max = std::size_t{1} << 31);

// Whole gzip members (manifests, logs).
Status gzip(ByteView data, Buffer& out);
Status gunzip(ByteView data, Buffer& out, std::size_t size_max = std::size_t{1} << 31);

}  // namespace cairn::compress
