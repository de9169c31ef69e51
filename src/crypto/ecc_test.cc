#include "crypto/ecc.h"

#include <gtest/gtest.h>

#include <random>

#include "crypto/hash.h"

namespace cairn::crypto {
namespace {

Bytes pattern(std::size_t n) {
  Bytes b(n);
  for (std::size_t i = 0; i < n; ++i) {
    b[i] = static_cast<Byte>(i % 255 + 1);
  }
  return b;
}
Ecc ecc(int percent) {
  auto e = Ecc::create(percent);
  EXPECT_TRUE(e.ok());
  return std::move(e).value();
}

// kopia-format §12.1: shard size, data and parity shards for 1…100 %.
struct Parameters {
  std::size_t shard, data, parity;
};
constexpr Parameters kParameters[] = {
    {1024, 254, 2}, {512, 164, 2},  {256, 139, 2},  {128, 228, 2},  {128, 128, 2},  {128, 128, 3},  {64, 254, 2},
    {64, 128, 2},   {64, 128, 3},   {64, 128, 4},   {64, 128, 6},   {64, 128, 7},   {64, 128, 8},   {64, 128, 9},
    {64, 128, 11},  {64, 128, 12},  {64, 128, 13},  {64, 128, 15},  {64, 128, 16},  {64, 128, 17},  {64, 128, 18},
    {64, 128, 20},  {64, 128, 21},  {64, 128, 22},  {64, 128, 24},  {64, 128, 25},  {64, 128, 26},  {64, 128, 27},
    {64, 128, 29},  {64, 128, 30},  {64, 128, 31},  {64, 128, 32},  {64, 128, 34},  {64, 128, 35},  {64, 128, 36},
    {64, 128, 38},  {64, 128, 39},  {64, 128, 40},  {64, 128, 41},  {64, 128, 43},  {64, 128, 44},  {64, 128, 45},
    {64, 128, 47},  {64, 128, 48},  {64, 128, 49},  {64, 128, 50},  {64, 128, 52},  {64, 128, 53},  {64, 128, 54},
    {64, 128, 56},  {64, 128, 57},  {64, 128, 58},  {64, 128, 59},  {64, 128, 61},  {64, 128, 62},  {64, 128, 63},
    {64, 128, 64},  {64, 128, 66},  {64, 128, 67},  {64, 128, 68},  {64, 128, 70},  {64, 128, 71},  {64, 128, 72},
    {64, 128, 73},  {64, 128, 75},  {64, 128, 76},  {64, 128, 77},  {64, 128, 79},  {64, 128, 80},  {64, 128, 81},
    {64, 128, 82},  {64, 128, 84},  {64, 128, 85},  {64, 128, 86},  {64, 128, 88},  {64, 128, 89},  {64, 128, 90},
    {64, 128, 91},  {64, 128, 93},  {64, 128, 94},  {64, 128, 95},  {64, 128, 96},  {64, 128, 98},  {64, 128, 99},
    {64, 128, 100}, {64, 128, 102}, {64, 128, 103}, {64, 128, 104}, {64, 128, 105}, {64, 128, 107}, {64, 128, 108},
    {64, 128, 109}, {64, 128, 111}, {64, 128, 112}, {64, 128, 113}, {64, 128, 114}, {64, 128, 116}, {64, 128, 117},
    {64, 128, 118}, {64, 128, 120},
};

TEST(Ecc, ParametersOfEveryPercentage) {
  ASSERT_EQ(std::size(kParameters), 100U);
  for (int percent = 1; percent <= 100; ++percent) {
    const Parameters& p = kParameters[percent - 1];
    const Ecc e = ecc(percent);
    // One block without padding left out, then one byte more than that: the sizes give all three numbers away.
    const std::size_t full = p.data * p.shard;
    EXPECT_EQ(e.encoded_size(full - 4), (p.data + p.parity) * (p.shard + 4)) << percent;
    EXPECT_EQ(e.encoded_size(full - 3), 2 * p.parity * (p.shard + 4) + p.data * (p.shard + 4) + 5) << percent;
  }
  EXPECT_EQ(Ecc::create(0).code(), Code::invalid_argument);
  EXPECT_EQ(Ecc::create(101).code(), Code::invalid_argument);
}

TEST(Ecc, SmallGoldenVectors) {
  const Ecc e = ecc(2);
  {
    auto out = e.encode(pattern(1));
    ASSERT_TRUE(out.ok());
    EXPECT_EQ(hex_encode(*out), "4c667a2e074c667a2e07d202ef8d00d202ef8d00d202ef8d00a505df1b01a505df1b01d202ef8d00");
  }
  {
    auto out = e.encode(pattern(3));
    ASSERT_TRUE(out.ok());
    EXPECT_EQ(hex_encode(*out),
              "901ba9b60900d52afba20b0141d912ff0000d8d043450003b6cc429201026af4413c030041d912ff000041d912ff0000");
  }
  {
    auto out = e.encode(pattern(20));
    ASSERT_TRUE(out.ok());
    EXPECT_EQ(hex_encode(*out),
              "a0b2240b060c0a742bed3219171e19643b9e0b6100000014b63cfbcd01020304538d4d6905060708bb9980a0090a0b0c439f"
              "26600d0e0f10ad760d1711121314");
  }
  {
    auto out = e.encode(pattern(40));
    ASSERT_TRUE(out.ok());
    EXPECT_EQ(hex_encode(*out),
              "f07f36cd1e1412e86366656c970185b63b3235c84244464803eb9f7d0000002801020304f9bac0f205060708090a0b0cb39c"
              "46b90d0e0f10111213149aa30ed415161718191a1b1c27d14a2f1d1e1f202122232493c1eeb62526272800000000");
  }
}

TEST(Ecc, LargeGoldenVectors) {
  struct Case {
    int percent;
    std::size_t plain, stored;
    std::string_view sha256;
  };
  const Case cases[] = {
      {2, 1000, 1376, "02daa58db8ed4ce6fcabc28391f8f915fcd164c4e88d7040ad6e69efe481daca"},
      {2, 5000, 5810, "f9517dfc161d9dd93bb152afb256bd96233f9d483eb704ab2912502f311beed4"},
      {2, 10000, 10790, "cdd6f29af1faad9e74fca51dafc5ac041a39f7a1ea67a36b2168ce0d48e540d9"},
      {2, 70000, 71546, "65cf7867fd0d6d2268d583dd691a9d0a5a97709a13700109144aed8720bfe048"},
      {2, 100000, 102852, "464b56b6a75684df9783a6b24635bb0dc5933e9cef2d51f001a1db8ea70f91bf"},
      {10, 5000, 5808, "ec93903322e93c472389217d604614d61f162ff42e4fb6f20e6f3d230725745d"},
      {10, 10000, 11176, "e60d920f062e559c1e53baf67bf409a7c174fe0015d6047cbadf13a526c3a4a1"},
      {10, 70000, 76828, "65ed49592f71c6865ba429d0406a1211dd76c1446f6ef8f86f5b8cda655edabf"},
      {10, 100000, 109792, "1ce548f7777c4c5690bbf66001c4ca090f5429cb80369ef25549f28a9952fccd"},
  };
  for (const Case& c : cases) {
    const Ecc e = ecc(c.percent);
    auto out = e.encode(pattern(c.plain));
    ASSERT_TRUE(out.ok());
    EXPECT_EQ(out->size(), c.stored);
    EXPECT_EQ(e.encoded_size(c.plain), c.stored);
    EXPECT_EQ(hex_encode(sha256(*out)), c.sha256) << c.percent << " %, " << c.plain;
    auto back = e.decode(*out);
    ASSERT_TRUE(back.ok()) << back.status().message();
    EXPECT_EQ(back->shards_repaired, 0U);
    EXPECT_EQ(hex_encode(back->data), hex_encode(pattern(c.plain)));
  }
}

TEST(Ecc, RoundTripAtEverySizeNearTheClassLimits) {
  for (const int percent : {1, 2, 4, 5, 10, 100}) {
    const Ecc e = ecc(percent);
    const Parameters& p = kParameters[percent - 1];
    for (const std::size_t around : {std::size_t{8}, 8 * (p.data + p.parity), p.data * p.shard, 2 * p.data * p.shard}) {
      for (std::size_t size = around - 8; size < around + 8; ++size) {
        const Bytes plain = pattern(size);
        auto out = e.encode(plain);
        ASSERT_TRUE(out.ok());
        ASSERT_EQ(out->size(), e.encoded_size(size));
        auto back = e.decode(*out);
        ASSERT_TRUE(back.ok()) << percent << " %, " << size << ": " << back.status().message();
        ASSERT_TRUE(std::equal(plain.begin(), plain.end(), back->data.data(), back->data.data() + back->data.size()));
      }
    }
  }
}

// Overwrites data and parity shards at random, as many per block as parity can give back.
TEST(Ecc, RepairsAsManyShardsAsThereIsParity) {
  std::mt19937 random(1);
  for (const int percent : {1, 2, 7, 10, 50, 100}) {
    const Parameters& p = kParameters[percent - 1];
    const Ecc e = ecc(percent);
    for (const std::size_t size : {std::size_t{5}, std::size_t{300}, std::size_t{3000}, 2 * p.data * p.shard + 777}) {
      const Bytes plain = pattern(size);
      auto out = e.encode(plain);
      ASSERT_TRUE(out.ok());
      const bool small = size + 4 <= 8 * (p.data + p.parity);
      const std::size_t data = small ? 6 : p.data;
      const std::size_t parity = small ? 2 : p.parity;
      const std::size_t blocks =
          size + 4 <= data * p.shard || small ? 1 : (size + 4 + data * p.shard - 1) / (data * p.shard);
      const std::size_t shard = blocks > 1 ? p.shard : (size + 4 + data - 1) / data;
      for (std::size_t block = 0; block < blocks; ++block) {
        std::vector<std::size_t> places;
        for (std::size_t i = 0; i < parity; ++i) {
          places.push_back((block * parity + i) * (shard + 4));
        }
        for (std::size_t i = 0; i < data; ++i) {
          places.push_back((blocks * parity + block * data + i) * (shard + 4));
        }
        std::shuffle(places.begin(), places.end(), random);
        for (std::size_t i = 0; i < parity; ++i) {
          const std::size_t at = places[i] + random() % (shard + 4);
          if (at < out->size()) {
            (*out)[at] ^= static_cast<Byte>(1 + random() % 255);
          }
        }
      }
      auto back = e.decode(*out);
      ASSERT_TRUE(back.ok()) << percent << " %, " << size << ": " << back.status().message();
      ASSERT_TRUE(std::equal(plain.begin(), plain.end(), back->data.data(), back->data.data() + back->data.size()));
    }
  }
}

TEST(Ecc, CountsRepairsAndGivesUpBeyondParity) {
  const Ecc e = ecc(2);
  auto out = e.encode(pattern(20));  // 6 + 2 shards of 4 bytes, 8 with the checksum
  ASSERT_TRUE(out.ok());
  (*out)[16] ^= 1;
  (*out)[31] ^= 1;
  auto back = e.decode(*out);
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(back->shards_repaired, 2U);
  (*out)[32] ^= 1;
  EXPECT_EQ(e.decode(*out).code(), Code::corrupt);
}

TEST(Ecc, TruncatedOrRandomInputIsCorruptAtWorst) {
  std::mt19937 random(2);
  for (const int percent : {1, 2, 10, 100}) {
    const Ecc e = ecc(percent);
    auto out = e.encode(pattern(2500));
    ASSERT_TRUE(out.ok());
    for (std::size_t n = 0; n < out->size(); n += n < 200 ? 1 : 97) {
      EXPECT_EQ(e.decode(out->view().first(n)).code(), Code::corrupt) << n;
    }
    for (int i = 0; i < 200; ++i) {
      Bytes junk(random() % 100000);
      for (Byte& b : junk) {
        b = static_cast<Byte>(random());
      }
      EXPECT_EQ(e.decode(junk).code(), Code::corrupt);
    }
  }
}

}  // namespace
}  // namespace cairn::crypto
