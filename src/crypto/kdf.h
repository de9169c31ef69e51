// Key derivation. docs/format/keys.md (kopia-format §3.2, 3.10)
#pragma once

#include <span>
#include <string_view>

#include "base/bytes.h"

namespace cairn::crypto {

inline constexpr std::string_view kDefaultKdf = "scrypt-65536-8-1";
std::span<const std::string_view> kdf_names();
// 32-byte key of a password; salt ≥ 16 bytes. Takes about 0.15 s. Errors: unsupported, invalid_argument.
Result<SecretBytes> derive_from_password(std::string_view algorithm, std::string_view password, ByteView salt);
// RFC 5869 with SHA-256, extract then expand.
SecretBytes hkdf_sha256(ByteView ikm, ByteView salt, ByteView info, std::size_t size);
std::array<Byte, 32> hmac_sha256(ByteView key, ByteView message);
bool constant_time_equal(ByteView a, ByteView b);

}  // namespace cairn::crypto
