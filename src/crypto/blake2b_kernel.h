// The compression over vectors of lanes, shared by the kernels. Only for inclusion by them: each includes it after
// defining `Vec` (width, load, store, broadcast, add, xor, rotations) in its own unnamed namespace.
#include "crypto/blake2_tables.h"
#include "crypto/blake2b_lanes.h"

namespace cairn::crypto {
namespace {

[[gnu::always_inline]] inline void mix(Vec& a, Vec& b, Vec& c, Vec& d, Vec x, Vec y) {
  a = add(add(a, b), x);
  d = rotate_32(exclusive_or(d, a));
  c = add(c, d);
  b = rotate_24(exclusive_or(b, c));
  a = add(add(a, b), y);
  d = rotate_16(exclusive_or(d, a));
  c = add(c, d);
  b = rotate_63(exclusive_or(b, c));
}

template <int kRound>
[[gnu::always_inline]] inline void round(Vec (&v)[16], const Vec (&m)[16]) {
  constexpr const auto& s = kBlake2Sigma[kRound % 10];
  mix(v[0], v[4], v[8], v[12], m[s[0]], m[s[1]]);
  mix(v[1], v[5], v[9], v[13], m[s[2]], m[s[3]]);
  mix(v[2], v[6], v[10], v[14], m[s[4]], m[s[5]]);
  mix(v[3], v[7], v[11], v[15], m[s[6]], m[s[7]]);
  mix(v[0], v[5], v[10], v[15], m[s[8]], m[s[9]]);
  mix(v[1], v[6], v[11], v[12], m[s[10]], m[s[11]]);
  mix(v[2], v[7], v[8], v[13], m[s[12]], m[s[13]]);
  mix(v[3], v[4], v[9], v[14], m[s[14]], m[s[15]]);
}

[[gnu::always_inline]] inline void compress_lanes(Blake2bLanes& lanes, const std::uint8_t* const* messages,
                                                  std::size_t blocks) {
  Vec h[8];
  for (int i = 0; i < 8; ++i) {
    h[i] = load(lanes.h[i]);
  }
  Vec count = load(lanes.count);
  const Vec last = load(lanes.last);
  for (std::size_t block = 0; block < blocks; ++block) {
    Vec m[16];
    load_transposed(messages, block * 128, m);
    Vec v[16];
    for (int i = 0; i < 8; ++i) {
      v[i] = h[i];
      v[i + 8] = broadcast(kBlake2bInit[i]);
    }
    v[12] = exclusive_or(v[12], count);
    v[14] = exclusive_or(v[14], last);
    round<0>(v, m);
    round<1>(v, m);
    round<2>(v, m);
    round<3>(v, m);
    round<4>(v, m);
    round<5>(v, m);
    round<6>(v, m);
    round<7>(v, m);
    round<8>(v, m);
    round<9>(v, m);
    round<10>(v, m);
    round<11>(v, m);
    for (int i = 0; i < 8; ++i) {
      h[i] = exclusive_or(h[i], exclusive_or(v[i], v[i + 8]));
    }
    count = add(count, broadcast(128));
  }
  for (int i = 0; i < 8; ++i) {
    store(lanes.h[i], h[i]);
  }
  store(lanes.count, count);
}

}  // namespace
}  // namespace cairn::crypto
