// Eight lanes. Compiled with -mavx512f: only called where the CPU has it.
#if defined(__AVX512F__)
#include <immintrin.h>

#include <cstddef>
#include <cstdint>

namespace cairn::crypto {
namespace {

using Vec = __m512i;

[[gnu::always_inline]] inline Vec load(const std::uint64_t* p) { return _mm512_load_si512(p); }
[[gnu::always_inline]] inline void store(std::uint64_t* p, Vec v) { _mm512_store_si512(p, v); }
[[gnu::always_inline]] inline Vec broadcast(std::uint64_t v) { return _mm512_set1_epi64(static_cast<long long>(v)); }
[[gnu::always_inline]] inline Vec add(Vec a, Vec b) { return _mm512_add_epi64(a, b); }
[[gnu::always_inline]] inline Vec exclusive_or(Vec a, Vec b) { return _mm512_xor_si512(a, b); }
[[gnu::always_inline]] inline Vec rotate_32(Vec v) { return _mm512_ror_epi64(v, 32); }
[[gnu::always_inline]] inline Vec rotate_24(Vec v) { return _mm512_ror_epi64(v, 24); }
[[gnu::always_inline]] inline Vec rotate_16(Vec v) { return _mm512_ror_epi64(v, 16); }
[[gnu::always_inline]] inline Vec rotate_63(Vec v) { return _mm512_ror_epi64(v, 63); }

// a … d hold two words of two lanes in each quarter; gathers the even quarters' words of all eight lanes into `even`,
// the odd ones' into `odd`, each for the two positions.
[[gnu::always_inline]] inline void gather_quarters(Vec a, Vec b, Vec c, Vec d, Vec& w0, Vec& w2, Vec& w4, Vec& w6) {
  const Vec ab_even = _mm512_shuffle_i64x2(a, b, 0x88);
  const Vec cd_even = _mm512_shuffle_i64x2(c, d, 0x88);
  const Vec ab_odd = _mm512_shuffle_i64x2(a, b, 0xdd);
  const Vec cd_odd = _mm512_shuffle_i64x2(c, d, 0xdd);
  w0 = _mm512_shuffle_i64x2(ab_even, cd_even, 0x88);
  w4 = _mm512_shuffle_i64x2(ab_even, cd_even, 0xdd);
  w2 = _mm512_shuffle_i64x2(ab_odd, cd_odd, 0x88);
  w6 = _mm512_shuffle_i64x2(ab_odd, cd_odd, 0xdd);
}

// Words 8g … 8g+7 of the eight lanes become eight vectors.
[[gnu::always_inline]] inline void load_transposed(const std::uint8_t* const* messages, std::size_t offset,
                                                   Vec (&m)[16]) {
  for (std::size_t g = 0; g < 2; ++g) {
    Vec low[4];
    Vec high[4];
    for (std::size_t pair = 0; pair < 4; ++pair) {
      const Vec first = _mm512_loadu_si512(messages[2 * pair] + offset + g * 64);
      const Vec second = _mm512_loadu_si512(messages[2 * pair + 1] + offset + g * 64);
      low[pair] = _mm512_unpacklo_epi64(first, second);
      high[pair] = _mm512_unpackhi_epi64(first, second);
    }
    Vec* w = m + g * 8;
    gather_quarters(low[0], low[1], low[2], low[3], w[0], w[2], w[4], w[6]);
    gather_quarters(high[0], high[1], high[2], high[3], w[1], w[3], w[5], w[7]);
  }
}

}  // namespace
}  // namespace cairn::crypto

#include "crypto/blake2b_kernel.h"

namespace cairn::crypto {

void blake2b_kernel_avx512(Blake2bLanes& lanes, const std::uint8_t* const* messages, std::size_t blocks) {
  compress_lanes(lanes, messages, blocks);
}

}  // namespace cairn::crypto
#endif
