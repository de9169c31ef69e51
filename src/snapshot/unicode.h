// What patterns need to know of Unicode. Internal to this folder.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace cairn::snapshot {

enum class CharKind : std::uint8_t {
  other,
  upper,            // Lu
  lower,            // Ll
  letter,           // other L
  digit,            // Nd
  punct_or_symbol,  // P, S
  mark_or_number,   // M, other N
  space,            // Zs
  control,          // Cc
};
CharKind char_kind(char32_t c);
// White_Space.
bool is_unicode_space(char32_t c);
// Each byte that is not part of valid UTF-8 becomes U+FFFD.
void decode_utf8(std::string_view text, std::u32string& out);

}  // namespace cairn::snapshot
