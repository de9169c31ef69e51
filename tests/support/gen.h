// Deterministic test inputs, the same that the golden data was made from. Header only.
//
// Byte stream: SplitMix64 from a 64-bit seed, outputs little-endian. Kinds:
//   rand    the stream                            text   words of a list of 64 with separators, ASCII
//   byte    one byte repeated                     tile   the first 4096 bytes of the stream repeated
//   sparse  zeros, but 4096 bytes of stream (seed + i) at every MiB i
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace cairn::test {

class SplitMix64 {
 public:
  explicit SplitMix64(std::uint64_t seed) : state_(seed) {}
  std::uint64_t operator()() {
    state_ += 0x9e3779b97f4a7c15;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }

 private:
  std::uint64_t state_;
};

inline void gen_rand_into(std::uint64_t seed, MutByteView out) {
  SplitMix64 next(seed);
  for (std::size_t at = 0; at < out.size(); at += 8) {
    const std::uint64_t v = next();
    Byte b[8];
    for (int i = 0; i < 8; ++i) {
      b[i] = static_cast<Byte>(v >> (8 * i));
    }
    std::memcpy(out.data() + at, b, std::min<std::size_t>(8, out.size() - at));
  }
}

inline Bytes gen_rand(std::uint64_t seed, std::size_t size) {
  Bytes out(size);
  gen_rand_into(seed, out);
  return out;
}

inline Bytes gen_text(std::uint64_t seed, std::size_t size) {
  static constexpr std::array<std::string_view, 64> kWords = {
      "the",  "of",   "and",   "to",   "in",   "is",   "that", "for",  "it",    "as",    "was",   "with",  "be",
      "by",   "on",   "not",   "he",   "his",  "but",  "at",   "are",  "this",  "have",  "from",  "or",    "had",
      "an",   "they", "which", "one",  "you",  "were", "all",  "her",  "she",   "there", "would", "their", "we",
      "him",  "been", "has",   "when", "who",  "will", "no",   "more", "if",    "out",   "so",    "up",    "said",
      "what", "its",  "about", "than", "into", "them", "can",  "only", "other", "time",  "new",   "some"};
  static constexpr std::array<std::string_view, 3> kSeparators = {"\n", ", ", ". "};
  SplitMix64 next(seed);
  std::string out;
  while (out.size() < size) {
    const std::uint64_t r = next();
    const std::uint64_t s = (r >> 6) & 15;
    out += kWords[r & 63];
    out += s < kSeparators.size() ? kSeparators[s] : " ";
  }
  return Bytes(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(size));
}

inline Bytes gen_byte(Byte value, std::size_t size) { return Bytes(size, value); }

inline Bytes gen_tile(std::uint64_t seed, std::size_t size) {
  const Bytes tile = gen_rand(seed, 4096);
  Bytes out(size);
  for (std::size_t at = 0; at < size; at += tile.size()) {
    std::copy_n(tile.data(), std::min(tile.size(), size - at), out.data() + at);
  }
  return out;
}

inline Bytes gen_sparse(std::uint64_t seed, std::size_t size) {
  constexpr std::size_t kStep = 1 << 20;
  Bytes out(size);
  for (std::size_t i = 0; i * kStep < size; ++i) {
    gen_rand_into(seed + i, MutByteView(out).subspan(i * kStep, std::min<std::size_t>(4096, size - i * kStep)));
  }
  return out;
}

// `parameter`: the seed, or the value for "byte". Empty for an unknown kind.
inline Bytes gen(std::string_view kind, std::uint64_t parameter, std::size_t size) {
  if (kind == "rand") {
    return gen_rand(parameter, size);
  }
  if (kind == "text") {
    return gen_text(parameter, size);
  }
  if (kind == "byte") {
    return gen_byte(static_cast<Byte>(parameter), size);
  }
  if (kind == "tile") {
    return gen_tile(parameter, size);
  }
  if (kind == "sparse") {
    return gen_sparse(parameter, size);
  }
  return {};
}

}  // namespace cairn::test
