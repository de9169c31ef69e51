#include <lz4frame.h>

#include <memory>

#include "compress/streams.h"

namespace cairn::compress {
namespace {

struct Free {
  void operator()(LZ4F_dctx* c) const { LZ4F_freeDecompressionContext(c); }
};

LZ4F_dctx* thread_decompressor() {
  thread_local const std::unique_ptr<LZ4F_dctx, Free> c = [] {
    LZ4F_dctx* made = nullptr;
    if (LZ4F_isError(LZ4F_createDecompressionContext(&made, LZ4F_VERSION)) != 0) {
      made = nullptr;
    }
    return std::unique_ptr<LZ4F_dctx, Free>(made);
  }();
  return c.get();
}

}  // namespace

Status lz4_read(ByteView in, Buffer& out, OutputLimits limits) {
  LZ4F_dctx* c = thread_decompressor();
  if (c == nullptr) {
    return error(Code::internal, "no memory for a decompressor");
  }
  LZ4F_resetDecompressionContext(c);
  limits.size_hint = std::min(limits.size_hint, in.size() * 256);  // the format cannot do better
  GrowingOutput o(out, limits, in.size() * 4);
  if (in.empty()) {
    return error(Code::corrupt, "unexpected end of data");
  }
  while (true) {
    const MutByteView room = o.room();
    std::size_t written = room.size();
    std::size_t taken = in.size();
    const std::size_t left = LZ4F_decompress(c, room.data(), &written, in.data(), &taken, nullptr);
    if (LZ4F_isError(left) != 0) {
      return error(Code::corrupt, "{}", LZ4F_getErrorName(left));
    }
    in = in.subspan(taken);
    o.commit(written);
    if (o.exceeded()) {
      return too_large(limits.size_max);
    }
    if (left == 0 && in.empty()) {
      break;
    }
    if (in.empty() && written < room.size()) {
      return error(Code::corrupt, "unexpected end of data");
    }
  }
  o.finish();
  return {};
}

}  // namespace cairn::compress
