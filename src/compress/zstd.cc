#include <zstd.h>
#include <zstd_errors.h>

#include <memory>

#include "compress/streams.h"

namespace cairn::compress {
namespace {

constexpr int kWindowLogMax = 27;                             // 128 MiB; the reference writes up to 32 MiB
constexpr std::size_t kEagerSizeMax = std::size_t{64} << 20;  // largest size taken on trust from a frame header

struct Free {
  void operator()(ZSTD_CCtx* c) const { ZSTD_freeCCtx(c); }
  void operator()(ZSTD_DCtx* c) const { ZSTD_freeDCtx(c); }
};

ZSTD_CCtx* thread_compressor() {
  thread_local const std::unique_ptr<ZSTD_CCtx, Free> c(ZSTD_createCCtx());
  return c.get();
}
ZSTD_DCtx* thread_decompressor() {
  thread_local const std::unique_ptr<ZSTD_DCtx, Free> c = [] {
    std::unique_ptr<ZSTD_DCtx, Free> made(ZSTD_createDCtx());
    if (made) {
      ZSTD_DCtx_setParameter(made.get(), ZSTD_d_windowLogMax, kWindowLogMax);
    }
    return made;
  }();
  return c.get();
}

Status damaged(std::size_t result) { return error(Code::corrupt, "{}", ZSTD_getErrorName(result)); }

Status read_streaming(ZSTD_DCtx* c, ByteView in_bytes, GrowingOutput& out, std::size_t size_max) {
  ZSTD_inBuffer in{in_bytes.data(), in_bytes.size(), 0};
  ZSTD_DCtx_reset(c, ZSTD_reset_session_only);
  while (true) {
    const MutByteView room = out.room();
    ZSTD_outBuffer o{room.data(), room.size(), 0};
    const std::size_t left = ZSTD_decompressStream(c, &o, &in);
    if (ZSTD_isError(left) != 0) {
      return damaged(left);
    }
    out.commit(o.pos);
    if (out.exceeded()) {
      return too_large(size_max);
    }
    if (left == 0 && in.pos == in.size) {
      return {};
    }
    if (in.pos == in.size && o.pos < o.size) {
      return error(Code::corrupt, "unexpected end of data");
    }
  }
}

}  // namespace

Status zstd_write(int level, ByteView data, Buffer& out) {
  ZSTD_CCtx* c = thread_compressor();
  if (c == nullptr) {
    return error(Code::internal, "no memory for a compressor");
  }
  ZSTD_CCtx_reset(c, ZSTD_reset_session_and_parameters);
  ZSTD_CCtx_setParameter(c, ZSTD_c_compressionLevel, level);
  ZSTD_CCtx_setParameter(c, ZSTD_c_checksumFlag, 1);
  const std::size_t begin = out.size();
  out.resize(begin + ZSTD_compressBound(data.size()));
  const std::size_t n = ZSTD_compress2(c, out.data() + begin, out.size() - begin, data.data(), data.size());
  if (ZSTD_isError(n) != 0) {
    return error(Code::internal, "{}", ZSTD_getErrorName(n));
  }
  out.resize(begin + n);
  return {};
}

Status zstd_read(ByteView in, Buffer& out, OutputLimits limits) {
  ZSTD_DCtx* c = thread_decompressor();
  if (c == nullptr) {
    return error(Code::internal, "no memory for a decompressor");
  }
  if (in.empty()) {
    return error(Code::corrupt, "unexpected end of data");
  }
  if (limits.size_hint == 0) {
    const unsigned long long size = ZSTD_getFrameContentSize(in.data(), in.size());
    if (size != ZSTD_CONTENTSIZE_UNKNOWN && size != ZSTD_CONTENTSIZE_ERROR && size <= limits.size_max) {
      limits.size_hint = static_cast<std::size_t>(size);
    }
  }
  // With the size known one call does, without a copy through the window; it also takes several frames.
  if (limits.size_hint > 0 && limits.size_hint <= kEagerSizeMax) {
    const std::size_t begin = out.size();
    out.resize(begin + limits.size_hint);
    const std::size_t n = ZSTD_decompressDCtx(c, out.data() + begin, limits.size_hint, in.data(), in.size());
    if (ZSTD_isError(n) == 0) {
      out.resize(begin + n);
      return {};
    }
    out.resize(begin);
    if (ZSTD_getErrorCode(n) != ZSTD_error_dstSize_tooSmall) {
      return damaged(n);
    }
  }
  limits.size_hint = std::min(limits.size_hint, kEagerSizeMax);
  GrowingOutput o(out, limits, std::min(in.size() * 4, kEagerSizeMax));
  TRY(read_streaming(c, in, o, limits.size_max));
  o.finish();
  return {};
}

bool looks_incompressible(ByteView data) {
  constexpr std::size_t kSampleSize = 16 << 10;
  constexpr std::size_t kSamples = 4;
  if (data.size() < 2 * kSamples * kSampleSize) {
    return false;
  }
  ZSTD_CCtx* c = thread_compressor();
  if (c == nullptr) {
    return false;
  }
  ZSTD_CCtx_reset(c, ZSTD_reset_session_and_parameters);
  ZSTD_CCtx_setParameter(c, ZSTD_c_compressionLevel, 1);
  std::size_t total = 0;
  Byte scratch[ZSTD_COMPRESSBOUND(kSampleSize)];
  for (std::size_t i = 0; i < kSamples; ++i) {
    const Byte* sample = data.data() + (data.size() - kSampleSize) / (kSamples - 1) * i;
    const std::size_t n = ZSTD_compress2(c, scratch, sizeof scratch, sample, kSampleSize);
    total += ZSTD_isError(n) != 0 ? 0 : n;
  }
  return total >= kSamples * kSampleSize * 98 / 100;
}

}  // namespace cairn::compress
