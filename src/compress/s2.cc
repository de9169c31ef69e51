#include <isa-l.h>
#include <snappy.h>

#include <array>
#include <bit>

#include "compress/streams.h"

namespace cairn::compress {
namespace {

constexpr std::array<Byte, 10> kS2Identifier = {0xff, 6, 0, 0, 'S', '2', 's', 'T', 'w', 'O'};
constexpr std::array<Byte, 10> kSnappyIdentifier = {0xff, 6, 0, 0, 's', 'N', 'a', 'P', 'p', 'Y'};
constexpr std::size_t kChunkHeaderSize = 4;
constexpr std::size_t kCrcSize = 4;
constexpr std::size_t kWriteBlockSize = std::size_t{1} << 20;
constexpr std::size_t kReadBlockSizeMax = std::size_t{4} << 20;

std::uint32_t masked_crc(ByteView data) {
  const std::uint32_t c = ~crc32_iscsi(const_cast<Byte*>(data.data()), static_cast<int>(data.size()), 0xffffffff);
  return std::rotr(c, 15) + 0xa282ead8;
}

void store_le32(Byte* p, std::uint32_t v) {
  store_le16(p, v & 0xffff);
  store_le16(p + 2, v >> 16);
}

Status damaged(const char* what) { return error(Code::corrupt, "invalid S2 data: {}", what); }

// One block into exactly `out` (kopia-model §3.2).
class BlockReader {
 public:
  BlockReader(ByteView in, MutByteView out)
      : p_(in.data()),
        end_(in.data() + in.size()),
        begin_(out.data()),
        o_(out.data()),
        out_end_(out.data() + out.size()) {}

  Status run() {
    while (p_ < end_) {
      const unsigned tag = *p_++;
      bool good = false;
      switch (tag & 3) {
        case 0:
          good = literal(tag >> 2);
          break;
        case 1:
          good = short_copy(tag);
          break;
        case 2:
          good = take(2, offset_) && copy((tag >> 2) + 1);
          break;
        default:
          good = take(4, offset_) && copy((tag >> 2) + 1);
      }
      if (!good) {
        return damaged("bad block");
      }
    }
    return o_ == out_end_ ? Status() : damaged("block shorter than announced");
  }

 private:
  // Little-endian integer of n bytes.
  bool take(unsigned n, std::size_t& value) {
    if (static_cast<std::size_t>(end_ - p_) < n) {
      return false;
    }
    value = 0;
    for (unsigned i = 0; i < n; ++i) {
      value |= static_cast<std::size_t>(p_[i]) << (8 * i);
    }
    p_ += n;
    return true;
  }

  bool literal(unsigned code) {
    std::size_t n = code;
    if (code >= 60 && !take(code - 59, n)) {
      return false;
    }
    ++n;
    if (n > static_cast<std::size_t>(end_ - p_) || n > static_cast<std::size_t>(out_end_ - o_)) {
      return false;
    }
    std::memcpy(o_, p_, n);
    p_ += n;
    o_ += n;
    return true;
  }

  // An offset of zero repeats the last one, with a length of its own form.
  bool short_copy(unsigned tag) {
    std::size_t low = 0;
    if (!take(1, low)) {
      return false;
    }
    const std::size_t offset = (tag & 0xe0U) << 3 | low;
    std::size_t n = (tag >> 2) & 7U;
    if (offset != 0) {
      offset_ = offset;
      return copy(n + 4);
    }
    if (n < 5) {
      return copy(n + 4);
    }
    const std::size_t base = n == 5 ? 8 : n == 6 ? 260 : 65540;
    return take(static_cast<unsigned>(n) - 4, n) && copy(n + base);
  }

  bool copy(std::size_t n) {
    if (offset_ == 0 || offset_ > static_cast<std::size_t>(o_ - begin_) ||
        n > static_cast<std::size_t>(out_end_ - o_)) {
      return false;
    }
    const Byte* from = o_ - offset_;
    if (offset_ >= n) {
      std::memcpy(o_, from, n);
      o_ += n;
      return true;
    }
    for (Byte* const stop = o_ + n; o_ < stop;) {  // overlapping: the bytes just written are read again
      *o_++ = *from++;
    }
    return true;
  }

  const Byte* p_;
  const Byte* end_;
  Byte* begin_;
  Byte* o_;
  Byte* out_end_;
  std::size_t offset_ = 0;
};

// A data chunk, compressed or stored, CRC first. `left` = bytes that may still be produced.
Status read_data_chunk(bool stored, ByteView chunk, Buffer& out, std::size_t left) {
  if (chunk.size() < kCrcSize) {
    return damaged("chunk too short");
  }
  const std::uint32_t crc = load_le32(chunk.data());
  chunk = chunk.subspan(kCrcSize);
  std::uint64_t size = chunk.size();
  if (!stored) {
    TRY_ASSIGN(size, read_uvarint(chunk));
  }
  if (size > kReadBlockSizeMax) {
    return damaged("block too large");
  }
  if (size > left) {
    return error(Code::corrupt, "decompressed data exceeds the limit");
  }
  const std::size_t start = out.size();
  if (out.capacity() < start + size) {
    out.reserve(std::max<std::size_t>(start + size, out.capacity() * 2));
  }
  out.resize(start + size);
  const MutByteView block = out.mut().subspan(start);
  if (stored) {
    std::copy(chunk.begin(), chunk.end(), block.begin());
  } else {
    TRY(BlockReader(chunk, block).run());
  }
  return masked_crc(block) == crc ? Status() : damaged("wrong checksum");
}

}  // namespace

Status s2_write(ByteView data, Buffer& out) {
  out.append(kS2Identifier);
  while (!data.empty()) {
    const ByteView block = data.first(std::min(data.size(), kWriteBlockSize));
    data = data.subspan(block.size());
    const std::size_t start = out.size();
    const std::size_t body = start + kChunkHeaderSize + kCrcSize;
    out.resize(body + snappy::MaxCompressedLength(block.size()));
    std::size_t size = 0;
    snappy::RawCompress(reinterpret_cast<const char*>(block.data()), block.size(),
                        reinterpret_cast<char*>(out.data() + body), &size);
    const bool stored = size >= block.size();
    if (stored) {
      size = block.size();
      std::copy(block.begin(), block.end(), out.data() + body);
    }
    out.resize(body + size);
    // type, 24-bit length, checksum
    store_le32(out.data() + start, static_cast<std::uint32_t>((size + kCrcSize) << 8) | (stored ? 1U : 0U));
    store_le32(out.data() + start + kChunkHeaderSize, masked_crc(block));
  }
  return {};
}

Status s2_read(ByteView in, Buffer& out, OutputLimits limits) {
  const std::size_t begin = out.size();
  out.reserve(begin + std::min(limits.size_hint, std::size_t{64} << 20));
  bool identified = false;
  while (!in.empty()) {
    if (in.size() < kChunkHeaderSize) {
      return damaged("chunk too short");
    }
    const std::uint32_t header = load_le32(in.data());
    const unsigned type = header & 0xff;
    const std::size_t size = header >> 8;
    if (size > in.size() - kChunkHeaderSize) {
      return damaged("unexpected end");
    }
    const ByteView whole = in.first(kChunkHeaderSize + size);
    in = in.subspan(whole.size());
    if (type == 0xff) {
      identified = std::equal(whole.begin(), whole.end(), kS2Identifier.begin(), kS2Identifier.end()) ||
                   std::equal(whole.begin(), whole.end(), kSnappyIdentifier.begin(), kSnappyIdentifier.end());
    }
    if (!identified) {
      return damaged("no stream identifier");
    }
    if (type <= 1) {
      TRY(read_data_chunk(type == 1, whole.subspan(kChunkHeaderSize), out, limits.size_max - (out.size() - begin)));
    } else if (type < 0x80) {
      return damaged("unknown chunk type");
    }
  }
  return identified ? Status() : damaged("no stream identifier");
}

}  // namespace cairn::compress
