// Index entries from the local indexes that every pack carries at its end. docs/format/packs.md (kopia-format §7.3)
#pragma once

#include <functional>

#include "format/unit_crypto.h"
#include "index/index_blob.h"

namespace cairn::content {

// Adds the entries of one pack to `out`; returns how many. Reads the tail, and the whole pack only when the local index
// does not lie in it. Errors: not_found (no local index there), corrupt, the storage's.
Result<std::size_t> recover_pack_index(blob::Storage& storage, const format::UnitCrypto& crypto,
                                       const blob::BlobMetadata& pack, index::IndexBuilder& out, std::stop_token stop);

// The local index at the end of a pack of `pack_length` bytes. Errors: not_found (none, or not within `tail`), corrupt.
Result<index::IndexReader> open_local_index(ByteView tail, std::int64_t pack_length, const format::UnitCrypto& crypto);

}  // namespace cairn::content
