// A pack under construction: layout of kopia-format §7.1, built in place in slabs. docs/format/packs.md
#pragma once

#include <cstdint>
#include <vector>

#include "content/slab_buffer.h"
#include "format/unit_crypto.h"
#include "index/index_blob.h"

namespace cairn::content {

enum class PackState : std::uint8_t {
  open,    // takes contents
  closed,  // full or flushed; may still wait for threads that seal into it
  uploading,
  failed,  // upload failed; flush() tries again with identical bytes
  stored,
  abandoned,  // nothing in it is referenced: not uploaded
};

struct Pack {
  BlobId id;
  char kind = 'p';
  std::uint32_t number = 0;  // position in the manager's list of this batch
  PackState state = PackState::open;
  SlabBuffer bytes;
  bool finished = false;               // padding, local index and postamble are in place
  std::uint32_t sealing = 0;           // threads that write into reserved ranges
  std::vector<std::uint32_t> entries;  // positions in the pending table
  std::size_t size_when_closed = 0;
};

// Preamble (and format-blob replica where the format asks for it).
void begin_pack(Pack& pack, ByteView replica);
// Pads to a 4 KiB boundary, appends the encrypted local index and the postamble.
Status finish_pack(Pack& pack, index::IndexBuilder& local_index, int index_version, const format::UnitCrypto& crypto);

struct Postamble {
  Bytes iv;
  std::uint64_t local_index_offset = 0, local_index_length = 0;
};
void append_postamble(Buffer& out, const Postamble& p);
// From the last bytes of a pack (≥ 5). Errors: corrupt, not_found (no postamble there).
Result<Postamble> parse_postamble(ByteView tail);

}  // namespace cairn::content
