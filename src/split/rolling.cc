#include "split/rolling.h"

#include <array>
#include <bit>

#include "split/buzhash_table.h"

namespace cairn::split {
namespace {

constexpr std::uint64_t kPolynomial = 0x2e3e3e4a305605;
constexpr int kDegree = 53;

constexpr std::uint64_t times_x_to(std::uint64_t v, int power) {
  for (; power > 0; --power) {
    v <<= 1;
    if (v >> kDegree & 1) {
      v ^= kPolynomial;
    }
  }
  return v;
}

struct RabinTables {
  std::array<std::uint64_t, 256> leaving{};
  std::array<std::uint64_t, 256> reduce{};

  RabinTables() {
    for (std::uint64_t b = 0; b < 256; ++b) {
      leaving[b] = times_x_to(b, 8 * (static_cast<int>(kWindowSize) - 1));
      reduce[b] = times_x_to(b, kDegree) | b << kDegree;
    }
  }
};

const RabinTables& rabin_tables() {
  static const RabinTables t;
  return t;
}

}  // namespace

std::ptrdiff_t find_buzhash(const Byte* p, std::size_t n, std::uint64_t mask) {
  const std::uint32_t* const table = kBuzhashTable.data();
  const auto low_mask = static_cast<std::uint32_t>(mask);
  // Rotation by the window's length is the identity, so the leaving word is not rotated.
  std::uint32_t h = 0;
  for (const Byte* q = p - kWindowSize; q < p; ++q) {
    h = std::rotl(h, 1) ^ table[*q];
  }
  const Byte* const end = p + n;
  for (const Byte* q = p; q < end; ++q) {
    h = std::rotl(h, 1) ^ (table[*q] ^ table[q[-static_cast<std::ptrdiff_t>(kWindowSize)]]);
    if ((h & low_mask) == 0) [[unlikely]] {
      return q - p;
    }
  }
  return -1;
}

std::ptrdiff_t find_rabinkarp(const Byte* p, std::size_t n, std::uint64_t mask) {
  const RabinTables& t = rabin_tables();
  constexpr int kTopShift = kDegree - 8;
  std::uint64_t v = 0;
  for (const Byte* q = p - kWindowSize; q < p; ++q) {
    v = (v << 8 | *q) ^ t.reduce[v >> kTopShift & 0xff];
  }
  const Byte* const end = p + n;
  for (const Byte* q = p; q < end; ++q) {
    v ^= t.leaving[q[-static_cast<std::ptrdiff_t>(kWindowSize)]];
    v = (v << 8 | *q) ^ t.reduce[v >> kTopShift & 0xff];
    if ((v & mask) == 0) [[unlikely]] {
      return q - p;
    }
  }
  return -1;
}

}  // namespace cairn::split
