// What the commands on contents share: the flags that choose some of them, and how compression is shown.
#pragma once

#include <string>
#include <vector>

#include "cli/context.h"

namespace cairn::cli {

// --prefix, --prefixed, --non-prefixed.
std::vector<FlagSpec> content_range_flags();
content::IterateOptions content_range(const ParsedCommand& command);

// "" for contents without compression.
std::string compression_name(std::uint32_t id);
// Part that was saved, in percent; 0 when nothing was.
double saved_percent(std::int64_t original, std::int64_t packed);

// Why a text is no content id, in Go's words; not_found and the like get "content not found".
Result<ContentId> parse_content_id(const std::string& text);

}  // namespace cairn::cli
