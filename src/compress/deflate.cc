#include <isa-l.h>
#include <libdeflate.h>

#include <memory>
#include <vector>

#include "compress/streams.h"

namespace cairn::compress {
namespace {

constexpr std::size_t kStep = std::size_t{1} << 30;  // ISA-L counts in 32 bits
constexpr std::size_t kRatioMax = 1032;              // of deflate: 258 bytes from 2 bits
constexpr int kBestLevel = 9;

struct FastCompressor {
  isal_zstream stream;
  std::vector<Byte> level_buffer;
};

Status write_fast(Container container, Effort effort, ByteView data, Buffer& out) {
  thread_local std::unique_ptr<FastCompressor> c;
  if (!c) {
    c = std::make_unique<FastCompressor>();
    c->level_buffer.resize(std::max(ISAL_DEF_LVL1_DEFAULT, ISAL_DEF_LVL2_DEFAULT));
  }
  isal_zstream& z = c->stream;
  isal_deflate_init(&z);
  z.level = effort == Effort::fast ? 1 : 2;
  z.level_buf = c->level_buffer.data();
  z.level_buf_size = static_cast<std::uint32_t>(c->level_buffer.size());
  z.gzip_flag = container == Container::gzip ? IGZIP_GZIP : IGZIP_DEFLATE;
  z.flush = NO_FLUSH;
  GrowingOutput o(out, {0, SIZE_MAX - 1}, data.size() / 2 + 1024);
  do {
    const std::size_t step = std::min(data.size(), kStep);
    z.next_in = const_cast<Byte*>(data.data());
    z.avail_in = static_cast<std::uint32_t>(step);
    data = data.subspan(step);
    z.end_of_stream = data.empty() ? 1 : 0;
    do {
      const MutByteView room = o.room();
      const auto size = static_cast<std::uint32_t>(std::min(room.size(), kStep));
      z.next_out = room.data();
      z.avail_out = size;
      if (isal_deflate(&z) != COMP_OK) {
        return error(Code::internal, "deflate failed");
      }
      o.commit(size - z.avail_out);
    } while (z.avail_out == 0 || z.avail_in > 0);
  } while (z.internal_state.state != ZSTATE_END);
  o.finish();
  return {};
}

struct FreeCompressor {
  void operator()(libdeflate_compressor* c) const { libdeflate_free_compressor(c); }
  void operator()(libdeflate_decompressor* c) const { libdeflate_free_decompressor(c); }
};

Status write_best(Container container, ByteView data, Buffer& out) {
  thread_local const std::unique_ptr<libdeflate_compressor, FreeCompressor> owner(
      libdeflate_alloc_compressor(kBestLevel));
  libdeflate_compressor* c = owner.get();
  if (c == nullptr) {
    return error(Code::internal, "no memory for a compressor");
  }
  const std::size_t begin = out.size();
  const bool gzip = container == Container::gzip;
  out.resize(begin + (gzip ? libdeflate_gzip_compress_bound(c, data.size())
                           : libdeflate_deflate_compress_bound(c, data.size())));
  const std::size_t room = out.size() - begin;
  const std::size_t n = gzip ? libdeflate_gzip_compress(c, data.data(), data.size(), out.data() + begin, room)
                             : libdeflate_deflate_compress(c, data.data(), data.size(), out.data() + begin, room);
  if (n == 0) {
    return error(Code::internal, "deflate failed");
  }
  out.resize(begin + n);
  return {};
}

// Uncompressed deflate blocks: what is not worth compressing still has to be a valid stream.
void write_stored(Container container, ByteView data, Buffer& out) {
  const bool gzip = container == Container::gzip;
  const ByteView whole = data;
  if (gzip) {
    const Byte header[] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff};
    out.append(header);
  }
  do {
    const std::size_t n = std::min<std::size_t>(data.size(), 0xffff);
    Byte header[5];
    header[0] = n == data.size() ? 1 : 0;
    store_le16(header + 1, static_cast<std::uint32_t>(n));
    store_le16(header + 3, static_cast<std::uint32_t>(n) ^ 0xffff);
    out.append(header);
    out.append(data.first(n));
    data = data.subspan(n);
  } while (!data.empty());
  if (gzip) {
    Byte trailer[8];
    const std::uint32_t crc = crc32_gzip_refl(0, whole.data(), whole.size());
    const auto size = static_cast<std::uint32_t>(whole.size());
    store_le16(trailer, crc & 0xffff);
    store_le16(trailer + 2, crc >> 16);
    store_le16(trailer + 4, size & 0xffff);
    store_le16(trailer + 6, size >> 16);
    out.append(trailer);
  }
}

}  // namespace

Status deflate_write(Container container, Effort effort, ByteView data, Buffer& out) {
  if (looks_incompressible(data)) {
    out.reserve(out.size() + data.size() + data.size() / 8192 + 64);
    write_stored(container, data, out);
    return {};
  }
  return effort == Effort::best ? write_best(container, data, out) : write_fast(container, effort, data, out);
}

Status deflate_read(Container container, ByteView in, Buffer& out, OutputLimits limits) {
  thread_local const std::unique_ptr<libdeflate_decompressor, FreeCompressor> owner(libdeflate_alloc_decompressor());
  libdeflate_decompressor* d = owner.get();
  if (d == nullptr) {
    return error(Code::internal, "no memory for a decompressor");
  }
  const bool gzip = container == Container::gzip;
  const std::size_t begin = out.size();
  // libdeflate wants the whole room at once and starts anew if it was too small. A gzip member tells its size at its
  // end.
  std::size_t guess = limits.size_hint;
  if (guess == 0 && gzip && in.size() >= 18) {
    guess = std::min<std::size_t>(load_le32(in.data() + in.size() - 4), in.size() * 64);
  }
  do {
    const std::size_t start = out.size();
    const std::size_t left = limits.size_max - (start - begin);
    const std::size_t room_max = std::min(left, in.size() * kRatioMax);
    std::size_t room = guess != 0 ? guess : in.size() * 4;
    std::size_t taken = 0;
    std::size_t written = 0;
    libdeflate_result result;
    do {
      room = std::min(room, room_max);
      out.resize(start + room);
      result =
          gzip ? libdeflate_gzip_decompress_ex(d, in.data(), in.size(), out.data() + start, room, &taken, &written)
               : libdeflate_deflate_decompress_ex(d, in.data(), in.size(), out.data() + start, room, &taken, &written);
      if (result != LIBDEFLATE_INSUFFICIENT_SPACE || room == room_max) {
        break;
      }
      room = std::max<std::size_t>(room * 2, 4096);
    } while (true);
    if (result == LIBDEFLATE_INSUFFICIENT_SPACE && room_max == left) {
      return too_large(limits.size_max);
    }
    if (result != LIBDEFLATE_SUCCESS) {
      return error(Code::corrupt, "invalid deflate data");
    }
    out.resize(start + written);
    in = in.subspan(taken);
    guess = 0;
  } while (gzip && !in.empty());
  if (!in.empty()) {
    return error(Code::corrupt, "{} bytes after the end of the deflate data", in.size());
  }
  return {};
}

}  // namespace cairn::compress
