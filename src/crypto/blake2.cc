#include "crypto/blake2.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <bit>
#include <cstring>

namespace cairn::crypto {
namespace {

template <class Word>
Word load_word(const Byte* p) {
  if constexpr (sizeof(Word) == 8) {
    return load_le64(p);
  } else {
    return load_le32(p);
  }
}

template <class Word>
struct Traits;
template <>
struct Traits<std::uint64_t> {
  using Variant = Blake2b;
  static constexpr const auto& kInit = kBlake2bInit;
  static constexpr int kRounds = 12, kRot1 = 32, kRot2 = 24, kRot3 = 16, kRot4 = 63;
};
template <>
struct Traits<std::uint32_t> {
  using Variant = Blake2s;
  static constexpr const auto& kInit = kBlake2sInit;
  static constexpr int kRounds = 10, kRot1 = 16, kRot2 = 12, kRot3 = 8, kRot4 = 7;
};

template <class Word>
[[gnu::always_inline]] inline void mix(Word& a, Word& b, Word& c, Word& d, Word x, Word y) {
  using T = Traits<Word>;
  a += b + x;
  d = std::rotr(static_cast<Word>(d ^ a), T::kRot1);
  c += d;
  b = std::rotr(static_cast<Word>(b ^ c), T::kRot2);
  a += b + y;
  d = std::rotr(static_cast<Word>(d ^ a), T::kRot3);
  c += d;
  b = std::rotr(static_cast<Word>(b ^ c), T::kRot4);
}

template <int kRound, class Word>
[[gnu::always_inline]] inline void round(Word (&v)[16], const Word (&m)[16]) {
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

template <class Word, int... kRound>
[[gnu::always_inline]] inline void rounds(Word (&v)[16], const Word (&m)[16], std::integer_sequence<int, kRound...>) {
  (round<kRound>(v, m), ...);
}

template <class Word>
[[gnu::always_inline]] inline void compress_one(Word* h, const Byte* block, std::uint64_t count, bool last) {
  using T = Traits<Word>;
  Word m[16];
  Word v[16];
  for (int i = 0; i < 16; ++i) {
    m[i] = load_word<Word>(block + static_cast<std::size_t>(i) * sizeof(Word));
  }
  for (int i = 0; i < 8; ++i) {
    v[i] = h[i];
    v[i + 8] = T::kInit[i];
  }
  v[12] ^= static_cast<Word>(count);
  if constexpr (sizeof(Word) == 4) {
    v[13] ^= static_cast<Word>(count >> 32);
  }
  if (last) {
    v[14] = ~v[14];
  }
  rounds(v, m, std::make_integer_sequence<int, T::kRounds>());
  for (int i = 0; i < 8; ++i) {
    h[i] ^= v[i] ^ v[i + 8];
  }
}

template <class Word>
void compress_many(Word* h, const Byte* blocks, std::size_t block_count, std::uint64_t count) {
  constexpr std::size_t kBlock = Traits<Word>::Variant::kBlockSize;
  for (; block_count > 0; --block_count) {
    count += kBlock;
    compress_one(h, blocks, count, false);
    blocks += kBlock;
  }
}

template <class Word>
Word byte_swap_on_big_endian(Word w) {
  Byte b[sizeof(Word)];
  for (std::size_t i = 0; i < sizeof(Word); ++i) {
    b[i] = static_cast<Byte>(w >> (8 * i));
  }
  std::memcpy(&w, b, sizeof w);
  return w;
}

}  // namespace

void blake2_compress(std::uint64_t* h, const Byte* block, std::uint64_t count, bool last) {
  compress_one(h, block, count, last);
}
void blake2_compress(std::uint32_t* h, const Byte* block, std::uint64_t count, bool last) {
  compress_one(h, block, count, last);
}
void blake2_compress_blocks(std::uint64_t* h, const Byte* blocks, std::size_t block_count, std::uint64_t count) {
  compress_many(h, blocks, block_count, count);
}
void blake2_compress_blocks(std::uint32_t* h, const Byte* blocks, std::size_t block_count, std::uint64_t count) {
  compress_many(h, blocks, block_count, count);
}

template <class Variant>
Blake2Start<Variant>::Blake2Start(ByteView key, std::size_t digest_size) {
  using Word = typename Variant::Word;
  std::copy(std::begin(Traits<Word>::kInit), std::end(Traits<Word>::kInit), initial.begin());
  initial[0] ^= 0x01010000U ^ static_cast<Word>(key.size() << 8) ^ static_cast<Word>(digest_size);
  h = initial;
  if (!key.empty()) {
    std::copy(key.begin(), key.end(), key_block.begin());
    count = Variant::kBlockSize;
    blake2_compress(h.data(), key_block.data(), count, false);
  }
}

template <class Variant>
Blake2Start<Variant>::~Blake2Start() {
  OPENSSL_cleanse(h.data(), sizeof h);
  OPENSSL_cleanse(key_block.data(), key_block.size());
}

template <class Variant>
void blake2_hash(const Blake2Start<Variant>& start, GatherView parts, Byte* out, std::size_t size) {
  using Word = typename Variant::Word;
  constexpr std::size_t kBlock = Variant::kBlockSize;
  Word h[8];
  std::copy(start.h.begin(), start.h.end(), h);
  std::uint64_t count = start.count;
  Byte pending[kBlock];  // the last block is compressed differently: one is held back until more bytes are seen
  std::size_t held = 0;
  for (ByteView part : parts) {
    if (held > 0) {
      const std::size_t n = std::min(kBlock - held, part.size());
      std::copy_n(part.data(), n, pending + held);
      held += n;
      part = part.subspan(n);
      if (part.empty()) {
        continue;
      }
      count += kBlock;
      blake2_compress(h, pending, count, false);
      held = 0;
    }
    if (part.size() > kBlock) {
      const std::size_t blocks = (part.size() - 1) / kBlock;
      blake2_compress_blocks(h, part.data(), blocks, count);
      count += blocks * kBlock;
      part = part.subspan(blocks * kBlock);
    }
    std::copy_n(part.data(), part.size(), pending);
    held = part.size();
  }
  if (held == 0 && start.count > 0) {
    // Keyed hash of nothing: the key block is itself the last block.
    std::copy(start.initial.begin(), start.initial.end(), h);
    blake2_compress(h, start.key_block.data(), start.count, true);
  } else {
    std::fill(pending + held, pending + kBlock, Byte{0});
    blake2_compress(h, pending, count + held, true);
  }
  for (Word& w : h) {
    w = byte_swap_on_big_endian(w);
  }
  std::memcpy(out, h, size);
}

template struct Blake2Start<Blake2b>;
template struct Blake2Start<Blake2s>;
template void blake2_hash(const Blake2Start<Blake2b>&, GatherView, Byte*, std::size_t);
template void blake2_hash(const Blake2Start<Blake2s>&, GatherView, Byte*, std::size_t);

}  // namespace cairn::crypto
