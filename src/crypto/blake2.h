// BLAKE2b and BLAKE2s (RFC 7693), keyed or not, any digest size. Internal to crypto/.
// One plain implementation for every CPU: it is as fast as OpenSSL's on one stream, needs no allocation, and gives the
// state after the key block, from which every item and every multi-buffer lane starts.
#pragma once

#include <array>
#include <cstdint>

#include "base/bytes.h"
#include "crypto/blake2_tables.h"

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
