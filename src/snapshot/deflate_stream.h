// Streaming deflate for archives: raw, or as one gzip member.
#pragma once

#include <functional>
#include <memory>

#include "base/bytes.h"
#include "base/status.h"

namespace cairn::snapshot {

class DeflateStream {
 public:
  enum class Wrapper { raw, gzip };
  using Sink = std::function<Status(ByteView)>;
  DeflateStream(Wrapper wrapper, Sink sink);
  ~DeflateStream();
  Status write(ByteView bytes);
  // Ends the stream. Nothing may follow.
  Status finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace cairn::snapshot
