// Four lanes. Compiled with -mavx2: only called where the CPU has it.
#if defined(__AVX2__)
#include <immintrin.h>

#include <cstddef>
#include <cstdint>

namespace cairn::crypto {
namespace {

using Vec = __m256i;

[[gnu::always_inline]] inline Vec load(const std::uint64_t* p) {
  return _mm256_load_si256(reinterpret_cast<const Vec*>(p));
}
[[gnu::always_inline]] inline void store(std::uint64_t* p, Vec v) { _mm256_store_si256(reinterpret_cast<Vec*>(p), v); }
[[gnu::always_inline]] inline Vec broadcast(std::uint64_t v) { return _mm256_set1_epi64x(static_cast<long long>(v)); }
[[gnu::always_inline]] inline Vec add(Vec a, Vec b) { return _mm256_add_epi64(a, b); }
[[gnu::always_inline]] inline Vec exclusive_or(Vec a, Vec b) { return _mm256_xor_si256(a, b); }
[[gnu::always_inline]] inline Vec rotate_32(Vec v) { return _mm256_shuffle_epi32(v, 0xb1); }
[[gnu::always_inline]] inline Vec rotate_24(Vec v) {
  return _mm256_shuffle_epi8(v, _mm256_setr_epi8(3, 4, 5, 6, 7, 0, 1, 2, 11, 12, 13, 14, 15, 8, 9, 10, 3, 4, 5, 6, 7, 0,
                                                 1, 2, 11, 12, 13, 14, 15, 8, 9, 10));
}
[[gnu::always_inline]] inline Vec rotate_16(Vec v) {
  return _mm256_shuffle_epi8(v, _mm256_setr_epi8(2, 3, 4, 5, 6, 7, 0, 1, 10, 11, 12, 13, 14, 15, 8, 9, 2, 3, 4, 5, 6, 7,
                                                 0, 1, 10, 11, 12, 13, 14, 15, 8, 9));
}
[[gnu::always_inline]] inline Vec rotate_63(Vec v) {
  return _mm256_xor_si256(_mm256_srli_epi64(v, 63), _mm256_add_epi64(v, v));
}

// Words 4g … 4g+3 of the four lanes become four vectors.
[[gnu::always_inline]] inline void load_transposed(const std::uint8_t* const* messages, std::size_t offset,
                                                   Vec (&m)[16]) {
  for (std::size_t g = 0; g < 4; ++g) {
    Vec r[4];
    for (std::size_t lane = 0; lane < 4; ++lane) {
      r[lane] = _mm256_loadu_si256(reinterpret_cast<const Vec*>(messages[lane] + offset + g * 32));
    }
    const Vec low_01 = _mm256_unpacklo_epi64(r[0], r[1]);
    const Vec high_01 = _mm256_unpackhi_epi64(r[0], r[1]);
    const Vec low_23 = _mm256_unpacklo_epi64(r[2], r[3]);
    const Vec high_23 = _mm256_unpackhi_epi64(r[2], r[3]);
    m[g * 4] = _mm256_permute2x128_si256(low_01, low_23, 0x20);
    m[g * 4 + 1] = _mm256_permute2x128_si256(high_01, high_23, 0x20);
    m[g * 4 + 2] = _mm256_permute2x128_si256(low_01, low_23, 0x31);
    m[g * 4 + 3] = _mm256_permute2x128_si256(high_01, high_23, 0x31);
  }
}

}  // namespace
}  // namespace cairn::crypto

#include "crypto/blake2b_kernel.h"

namespace cairn::crypto {

void blake2b_kernel_avx2(Blake2bLanes& lanes, const std::uint8_t* const* messages, std::size_t blocks) {
  compress_lanes(lanes, messages, blocks);
}

}  // namespace cairn::crypto
#endif
