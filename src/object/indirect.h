// The JSON of indirect objects. For this folder only. (kopia-model §1.3)
#pragma once

#include <string>
#include <vector>

#include "object/object_manager.h"

namespace cairn::object {

// {"stream":"kopia:indirect","entries":[…]}\n, byte-exact.
std::string encode_indirect(const std::vector<IndirectEntry>& entries);
// Entries must be contiguous and ascending, at least one. Errors: corrupt.
Result<std::vector<IndirectEntry>> decode_indirect(std::string_view json);

}  // namespace cairn::object
