#include "snapshot/deflate_stream.h"

#include <isa-l/igzip_lib.h>

#include <algorithm>
#include <array>
#include <limits>
#include <vector>

namespace cairn::snapshot {

struct DeflateStream::Impl {
  Sink sink;
  isal_zstream stream;
  std::vector<Byte> level_buffer = std::vector<Byte>(ISAL_DEF_LVL2_DEFAULT);
  std::array<Byte, 64 * 1024> out;

  Status run(ByteView bytes, bool end) {
    do {
      const std::size_t n = std::min<std::size_t>(bytes.size(), std::numeric_limits<std::int32_t>::max());
      stream.next_in = const_cast<Byte*>(bytes.data());
      stream.avail_in = static_cast<std::uint32_t>(n);
      bytes = bytes.subspan(n);
      stream.end_of_stream = end && bytes.empty() ? 1 : 0;
      do {
        stream.next_out = out.data();
        stream.avail_out = static_cast<std::uint32_t>(out.size());
        if (isal_deflate(&stream) != COMP_OK) {
          return Status(Code::internal, "deflate failed");
        }
        const std::size_t made = out.size() - stream.avail_out;
        if (made != 0) {
          TRY(sink({out.data(), made}));
        }
      } while (stream.avail_out == 0 || stream.avail_in != 0 ||
               (stream.end_of_stream != 0 && stream.internal_state.state != ZSTATE_END));
    } while (!bytes.empty());
    return {};
  }
};

DeflateStream::DeflateStream(Wrapper wrapper, Sink sink) : impl_(std::make_unique<Impl>()) {
  impl_->sink = std::move(sink);
  isal_deflate_init(&impl_->stream);
  impl_->stream.level = 2;
  impl_->stream.level_buf = impl_->level_buffer.data();
  impl_->stream.level_buf_size = static_cast<std::uint32_t>(impl_->level_buffer.size());
  impl_->stream.flush = NO_FLUSH;
  impl_->stream.gzip_flag = wrapper == Wrapper::gzip ? IGZIP_GZIP : IGZIP_DEFLATE;
}

DeflateStream::~DeflateStream() = default;

Status DeflateStream::write(ByteView bytes) { return bytes.empty() ? Status() : impl_->run(bytes, false); }
Status DeflateStream::finish() { return impl_->run({}, true); }

}  // namespace cairn::snapshot
