// Plain digests that network protocols ask for; the repository's own hashes are in hash.h, HMAC-SHA256 is in kdf.h.
#pragma once

#include <array>

#include "base/bytes.h"

namespace cairn::crypto {

// Of the concatenation of the parts. MD5 and SHA-1 are checks of transfers (Content-MD5, X-Bz-Content-Sha1), never of
// trust.
std::array<Byte, 16> md5(GatherView parts);
std::array<Byte, 20> sha1(GatherView parts);
std::array<Byte, 32> sha256(GatherView parts);

}  // namespace cairn::crypto
