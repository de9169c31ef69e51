// Cryptographic random bytes, drawn from OpenSSL in blocks per thread (one RAND_bytes call of 12 bytes costs 0.5 µs).
#pragma once

#include "base/bytes.h"

namespace cairn {

void random_bytes(MutByteView out);
// `count` random bytes as 2·count hex digits.
std::string random_hex(std::size_t count);
std::uint64_t random_u64();

}  // namespace cairn
