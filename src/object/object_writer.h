// Pieces of the writer that the manager uses as well. For this folder only.
#pragma once

#include "object/object_manager.h"

namespace cairn::object {

Result<ObjectId> store_chunk(content::ContentManager& contents, ByteView chunk, char prefix,
                             compress::HeaderId compressor, std::stop_token stop);
Result<ObjectId> write_indirect(content::ContentManager& contents, const std::string& default_splitter,
                                const std::vector<IndirectEntry>& entries, char prefix,
                                compress::HeaderId metadata_compressor, std::stop_token stop);

}  // namespace cairn::object
