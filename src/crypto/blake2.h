// BLAKE2b and BLAKE2s (RFC 7693), keyed or not, any digest size. Internal to crypto/.
// One plain implementation for every CPU: it is as fast as OpenSSL's on one stream, needs no allocation, and gives the
// state after the key block, from which every item and every multi-buffer lane starts.
#pragma once

#include <array>
#include <cstdint>

#include "base/bytes.h"

namespace cairn::crypto {

struct Blake2b {
  using Word = std::uint64_t;
  static constexpr std::size_t kBlockSize = 128;
  static constexpr std::size_t kKeySizeMax = 64;
};
struct Blake2s {
  using Word = std::uint32_t;
  static constexpr std::size_t kBlockSize = 64;
  static constexpr std::size_t kKeySizeMax = 32;
};

// h is updated with one block. `count` = message bytes including this block (key block included).
void blake2_compress(std::uint64_t* h, const Byte* block, std::uint64_t count, bool last);
void blake2_compress(std::uint32_t* h, const Byte* block, std::uint64_t count, bool last);
// Several whole blocks, none of them the last of the message; `count` = bytes before them.
void blake2_compress_blocks(std::uint64_t* h, const Byte* blocks, std::size_t block_count, std::uint64_t count);
void blake2_compress_blocks(std::uint32_t* h, const Byte* blocks, std::size_t block_count, std::uint64_t count);

inline constexpr std::array<std::uint64_t, 8> kBlake2bInit = {
    0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
    0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179};
inline constexpr std::array<std::uint32_t, 8> kBlake2sInit = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                                              0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
inline constexpr Byte kBlake2Sigma[10][16] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
    {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4}, {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
    {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13}, {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
    {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11}, {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
    {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5}, {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0}};

// What every item of one key starts from.
template <class Variant>
struct Blake2Start {
  std::array<typename Variant::Word, 8> h;            // after the key block, if there is a key
  std::array<typename Variant::Word, 8> initial;      // before it
  std::array<Byte, Variant::kBlockSize> key_block{};  // zero-padded key
  std::uint64_t count = 0;                            // bytes consumed so far: a block if keyed, else 0

  Blake2Start(ByteView key, std::size_t digest_size);
  ~Blake2Start();
  Blake2Start(const Blake2Start&) = delete;
  Blake2Start& operator=(const Blake2Start&) = delete;
};

// Writes `size` ≤ digest_size bytes.
template <class Variant>
void blake2_hash(const Blake2Start<Variant>& start, GatherView parts, Byte* out, std::size_t size);

}  // namespace cairn::crypto
