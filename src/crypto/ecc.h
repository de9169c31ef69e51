// Reed–Solomon protection of stored units. docs/format/ecc.md (kopia-format §12)
#pragma once

#include <cstdint>
#include <memory>

#include "base/bytes.h"

namespace cairn::crypto {

inline constexpr std::string_view kEccName = "REED-SOLOMON-CRC32";

class Ecc {
 public:
  // overhead_percent 1…100. Errors: invalid_argument.
  static Result<Ecc> create(int overhead_percent);
  std::size_t encoded_size(std::size_t plain_size) const;
  Result<Buffer> encode(ByteView data) const;
  struct Decoded {
    Buffer data;
    std::size_t shards_repaired = 0;  // > 0: the stored bytes are damaged but were corrected
  };
  // Errors: corrupt when more shards are lost than parity can give back.
  Result<Decoded> decode(ByteView stored) const;

 private:
  struct Code;  // a systematic Reed–Solomon code with its tables
  struct Layout;
  Ecc() = default;
  Layout layout_for_plain(std::size_t plain_size) const;
  Layout layout_for_stored(std::size_t stored_size) const;

  std::shared_ptr<const Code> small_;  // 6 + 2, for what is too small to fill the other
  std::shared_ptr<const Code> main_;
  std::size_t shard_size_max_ = 0;
};

}  // namespace cairn::crypto
