// The two rolling hashes as pure functions of the last 64 bytes. Internal to split/.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.h"

namespace cairn::split {

inline constexpr std::size_t kWindowSize = 64;

// First i in [0, n) where the hash of the 64 bytes that end with p[i] is zero under `mask`; −1 if there is none.
// p[−64 … n−1] must be readable. The chunk's begin does not matter: the hash depends on these 64 bytes alone.
using FindFunction = std::ptrdiff_t (*)(const Byte* p, std::size_t n, std::uint64_t mask);

std::ptrdiff_t find_buzhash(const Byte* p, std::size_t n, std::uint64_t mask);
std::ptrdiff_t find_rabinkarp(const Byte* p, std::size_t n, std::uint64_t mask);

}  // namespace cairn::split
