#include "base/ids.h"

namespace cairn {

Result<ContentId> ContentId::parse(std::string_view text) {
  ContentId id;
  if (text.empty()) {
    return id;
  }
  std::string_view hex = text;
  if (text.size() % 2 != 0) {
    if (text[0] < 'g' || text[0] > 'z') {
      return error(Code::invalid_argument, "invalid content prefix in \"{}\"", text);
    }
    id.prefix = static_cast<Byte>(text[0]);
    hex.remove_prefix(1);
  }
  if (hex.empty() || hex.size() > 2 * kHashSizeMax) {
    return error(Code::invalid_argument, "invalid content hash length in \"{}\"", text);
  }
  id.size = static_cast<std::uint8_t>(hex.size() / 2);
  TRY(hex_decode_into(hex, MutByteView(id.hash).first(id.size)), "invalid content id \"{}\"", text);
  return id;
}

void ContentId::append_text(std::string& out) const {
  static constexpr char kDigits[] = "0123456789abcdef";
  if (prefix != 0) {
    out.push_back(static_cast<char>(prefix));
  }
  for (std::size_t i = 0; i < size; ++i) {
    out.push_back(kDigits[hash[i] >> 4]);
    out.push_back(kDigits[hash[i] & 15]);
  }
}

std::string ContentId::text() const {
  std::string out;
  append_text(out);
  return out;
}

}  // namespace cairn
