// BLAKE2b of several independent messages at once, one per vector lane. Internal to crypto/. Kernels include this:
// nothing here may bring in inline functions of other headers, which the linker could then take for the whole program.
#pragma once

#include <cstddef>
#include <cstdint>

namespace cairn::crypto {

inline constexpr std::size_t kLanesMax = 8;

// Word-major, so that one vector holds a word of every lane.
struct alignas(64) Blake2bLanes {
  std::uint64_t h[8][kLanesMax];
  std::uint64_t count[kLanesMax];  // message bytes including the next block
  std::uint64_t last[kLanesMax];   // all ones if the next block is the lane's last, else 0
};

// Compresses `blocks` consecutive blocks of every lane. Advances count, except past the last block. With blocks > 1 no
// lane may be marked last.
using Blake2bKernel = void (*)(Blake2bLanes& lanes, const std::uint8_t* const* messages, std::size_t blocks);

void blake2b_kernel_avx2(Blake2bLanes& lanes, const std::uint8_t* const* messages, std::size_t blocks);    // 4 lanes
void blake2b_kernel_avx512(Blake2bLanes& lanes, const std::uint8_t* const* messages, std::size_t blocks);  // 8 lanes

}  // namespace cairn::crypto
