#include "split/splitter.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <numeric>
#include <random>
#include <sstream>
#include <vector>

#include "base/json.h"
#include "crypto/hash.h"
#include "split/buzhash_table.h"
#include "split/rolling.h"
#include "tests/support/gen.h"
#include "tests/support/go_rand.h"

namespace cairn::split {
namespace {

std::unique_ptr<Splitter> splitter(std::string_view name) {
  auto s = Splitter::create(name);
  EXPECT_TRUE(s.ok()) << name;
  return std::move(s).value();
}

struct Cuts {
  std::vector<std::size_t> lengths;  // of complete chunks
  std::size_t tail = 0;
};

// Feeds slices whose sizes come from `slice_size`.
template <class SliceSize>
Cuts cut(Splitter& s, ByteView data, SliceSize slice_size) {
  Cuts c;
  while (!data.empty()) {
    ByteView slice = data.first(std::min<std::size_t>(data.size(), slice_size()));
    data = data.subspan(slice.size());
    while (!slice.empty()) {
      const std::ptrdiff_t n = s.next(slice);
      EXPECT_TRUE(n == -1 || (n > 0 && static_cast<std::size_t>(n) <= slice.size()));
      const std::size_t used = n < 0 ? slice.size() : static_cast<std::size_t>(n);
      c.tail += used;
      slice = slice.subspan(used);
      if (n >= 0) {
        c.lengths.push_back(std::exchange(c.tail, 0));
      }
    }
  }
  return c;
}
Cuts cut(Splitter& s, ByteView data) {
  return cut(s, data, [] { return SIZE_MAX; });
}

std::string first_lengths(const Cuts& c, std::size_t n) {
  std::string text;
  for (std::size_t i = 0; i < std::min(n, c.lengths.size()); ++i) {
    text += (i == 0 ? "" : " ") + std::to_string(c.lengths[i]);
  }
  return text;
}
std::size_t words_in(std::string_view text) {
  return text.empty() ? 0 : static_cast<std::size_t>(std::count(text.begin(), text.end(), ' ')) + 1;
}

TEST(TestInputs, MatchTheReferenceGenerators) {
  struct Case {
    std::string_view kind;
    std::uint64_t seed;
    std::size_t size;
    std::string_view sha256;
  };
  const Case cases[] = {
      {"rand", 1, 32, "6facdc7abbe0bc67e231ade56ca99eddb82822d6f4e4952cb7436c8aede60a08"},
      {"rand", 2, 1000003, "6b2b335339032dbcac2d7f723514b74e39e84fad9d0d1f4840542304f6c8a836"},
      {"text", 3, 100000, "c9c5d3b0aaf216caefeb481bba8f7b3df69452eed48e222c6f89a212d597ca6c"},
      {"sparse", 4, 3000000, "e1fd8fb42465ed1ad674becdccc5dbe8a8ffb3bb9e78df278f152d6a6456d91f"},
      {"tile", 5, 10000, "aa9632f9fd08fbeb77cce9ae93f1c639bbc6aafb8e03ece9beafe1e089cd566d"},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(hex_encode(crypto::sha256(test::gen(c.kind, c.seed, c.size))), c.sha256) << c.kind;
  }
  test::GoRand one(1);
  EXPECT_EQ(one.next63(), 5577006791947779410U);
  EXPECT_EQ(one.next63(), 8674665223082153551U);
  EXPECT_EQ(one.next63(), 6129484611666145821U);
  EXPECT_EQ(one.next63(), 4037200794235010051U);
}

TEST(Buzhash, TableIsTheReferenceOne) {
  Bytes b;
  for (const std::uint32_t w : kBuzhashTable) {
    for (int i = 0; i < 4; ++i) {
      b.push_back(static_cast<Byte>(w >> (8 * i)));
    }
  }
  EXPECT_EQ(hex_encode(crypto::sha256(b)), "8b089027ee3aa8dc8ed3311bae87113e09c4aaefb631b701f670a9d99c4c3e63");
  // It comes from Go's generator with seed 1.
  test::GoRand source(1);
  for (const std::uint32_t w : kBuzhashTable) {
    ASSERT_EQ(static_cast<std::uint32_t>(source.next63()), w);
  }
}

// The hash's value after byte `last` of 64 zeros followed by 0, 1, 2, …: a mask that is the complement of the expected
// value must hit, and every mask with a set bit of it must not.
template <class Find>
void expect_hash(Find find, std::size_t last, std::uint64_t expected, int bits) {
  Bytes stream(64);
  for (std::size_t i = 0; i <= last; ++i) {
    stream.push_back(static_cast<Byte>(i));
  }
  const Byte* p = stream.data() + 64 + last;
  for (int bit = 0; bit < bits; ++bit) {
    const std::uint64_t mask = std::uint64_t{1} << bit;
    EXPECT_EQ(find(p, 1, mask) < 0, (expected & mask) != 0) << "after " << last << ", bit " << bit;
  }
}

TEST(Buzhash, ValuesAfterKnownBytes) {
  const std::pair<std::size_t, std::uint32_t> cases[] = {
      {0, 0}, {1, 0x58c3eb1d}, {2, 0xd0ee5975}, {3, 0xdd6d33ba}, {63, 0xd9b0c9cf}, {64, 0x511e267d}, {255, 0x42737eb7}};
  for (const auto& [last, value] : cases) {
    expect_hash(find_buzhash, last, value, 32);
  }
}

TEST(RabinKarp, ValuesAfterKnownBytes) {
  const std::pair<std::size_t, std::uint64_t> cases[] = {{0, 0},
                                                         {1, 1},
                                                         {2, 0x102},
                                                         {3, 0x10203},
                                                         {8, 0x0001b0b48ad44d2f},
                                                         {63, 0x001a91598731792b},
                                                         {64, 0x0008609385aa1452},
                                                         {255, 0x0005ccc3c66bd63d}};
  for (const auto& [last, value] : cases) {
    expect_hash(find_rabinkarp, last, value, 53);
  }
}

// kopia-model 2.6: 5,000,000 bytes of Go's generator with seed 5.
TEST(Splitter, GoRandVectors) {
  Bytes data(5000000);
  test::GoRand(5).read(data);
  ASSERT_EQ(hex_encode(crypto::sha256(data)), "d420cd9782f8d6444e15f6678036cf2677dab335327ab73a98d38fb19d2cfd6f");
  struct Case {
    std::string_view kind;
    std::size_t average, count, mean, min, max;
    std::string_view first;
    std::size_t tail;
  };
  const Case cases[] = {
      {"fixed", 1000, 5000, 1000, 1000, 1000, "", 0},
      {"fixed", 10000, 500, 10000, 10000, 10000, "", 0},
      {"buzhash", 32, 124235, 40, 16, 64, "46 33 16 22 63 62 35 64 27 64 46 26", 24},
      {"buzhash", 1024, 3835, 1303, 512, 2048, "1142 1544 637 685 1575 1724 514 548 2048 601", 882},
      {"buzhash", 2048, 1924, 2598, 1024, 4096, "1522 2486 1575 1830 4096 3372 2917 2729", 3489},
      {"buzhash", 32768, 112, 44642, 16413, 65536, "23970 45313 65536 59094 59832 22481 17818", 37210},
      {"buzhash", 65536, 57, 87719, 32932, 131072, "34109 39207 120597 82313 75033 131072", 51037},
      {"rabinkarp", 32, 124108, 40, 16, 64, "23 19 29 19 21 50 44 47 64 23 17 64", 21},
      {"rabinkarp", 1024, 3771, 1325, 512, 2048, "894 1549 743 719 1393 1136 2048 611 1068 1308", 399},
      {"rabinkarp", 2048, 1887, 2649, 1028, 4096, "2443 1462 1393 1136 2495 1232 1308 2939", 399},
      {"rabinkarp", 32768, 121, 41322, 16896, 65536, "16896 65536 29818 62238 62576 65536 23924", 20015},
      {"rabinkarp", 65536, 53, 94339, 35875, 131072, "131072 105992 89460 106542 131072 71274", 29201},
  };
  for (const Case& c : cases) {
    const auto s = make_test_splitter(c.kind, c.average);
    const Cuts cuts = cut(*s, data);
    ASSERT_EQ(cuts.lengths.size(), c.count) << c.kind << c.average;
    EXPECT_EQ(data.size() / cuts.lengths.size(), c.mean);
    EXPECT_EQ(*std::min_element(cuts.lengths.begin(), cuts.lengths.end()), c.min);
    EXPECT_EQ(*std::max_element(cuts.lengths.begin(), cuts.lengths.end()), c.max);
    EXPECT_EQ(first_lengths(cuts, words_in(c.first)), c.first);
    EXPECT_EQ(cuts.tail, c.tail);
  }
}

// kopia-model 2.6: 50,000,000 bytes of SplitMix64, digest over the lengths as 8 bytes little-endian.
TEST(Splitter, SplitMixVectors) {
  const Bytes data = test::gen_rand(1, 50000000);
  ASSERT_EQ(hex_encode(crypto::sha256(data)), "5b7438041e24462ceeeb51e5b5b0abc26ea05c2819f8dde533025d66fde47140");
  struct Case {
    std::string_view name;
    std::size_t count, min, max, tail;
    std::string_view first, digest;
  };
  const Case cases[] = {
      {"DYNAMIC", 12, 2231384, 8388608, 359799, "4897374 2923555 3532741 5104798 4794991",
       "9a0269d62dd3980e771c60e5db9ea872b7152ad955e405bfd47dbbfe41814d6c"},
      {"DYNAMIC-128K-BUZHASH", 292, 66099, 262144, 138083, "148594 138036 108036 66883 188272",
       "718dc5d2de4d5d2ee52569379ddcd23044e2009cc31873853a40707a262a698b"},
      {"DYNAMIC-128K-RABINKARP", 292, 66258, 262144, 105672, "68327 78726 262144 262144 262144",
       "8e42e2b70e7bb33d9fdc2f4493c33a91ccf6212ac69f8e47fa69dcfd3c3f0464"},
      {"DYNAMIC-1M-BUZHASH", 37, 553640, 2097152, 480975, "672086 749935 2097152 1378201 636000",
       "ae0399a6fbda2ab09e5fbc35589c1b1f07f0aafedc7375968c90496c37d17edf"},
      {"DYNAMIC-1M-RABINKARP", 35, 597940, 2097152, 464584, "1242007 621573 1667708 1508956 1312927",
       "21f7188ce8ed4a9cc76088c0533fc42b2322096b0f681e4c976006ef6ef4121c"},
      {"DYNAMIC-256K-BUZHASH", 144, 131538, 524288, 231395, "148594 142785 170170 188272 463994",
       "d30eb308dc6891e727af5694c60b1ecd8ac781cfe328c6bfac3f7f3a484ecc2e"},
      {"DYNAMIC-256K-RABINKARP", 144, 131307, 524288, 200181, "412662 524288 305057 474125 147448",
       "0865c6e74537ddee979bec0be4da95260b2bb7939d243fcbcb97a51b4b79b8a0"},
      {"DYNAMIC-2M-BUZHASH", 21, 1270777, 4194304, 359799, "4194304 1339070 2287555 1514138 2018603",
       "6d59f83d99b54b8747910b3b1e96573cdc71077546b4585407d53bd38bb45c47"},
      {"DYNAMIC-2M-RABINKARP", 20, 1242007, 4194304, 464584, "1242007 4194304 1609412 1580267 1276777",
       "3bfc10de801e53dd2921aa141a3957abbfaa1fdf6c12ed8c01bca8ab485188d0"},
      {"DYNAMIC-4M-BUZHASH", 12, 2231384, 8388608, 359799, "4897374 2923555 3532741 5104798 4794991",
       "9a0269d62dd3980e771c60e5db9ea872b7152ad955e405bfd47dbbfe41814d6c"},
      {"DYNAMIC-4M-RABINKARP", 12, 2157069, 8388608, 464584, "2157069 4196102 2272819 3693910 4912219",
       "f77782ce7a8ca912294edb562f9bac8d0f3d281c6926a4ecada29aa005763f57"},
      {"DYNAMIC-512K-BUZHASH", 79, 263791, 1048576, 480975, "291379 380707 441729 308206 656888",
       "18084f74b76cece385b1bb9bf238b3c151ddb27d79cc7539788cae6f9bfde876"},
      {"DYNAMIC-512K-RABINKARP", 78, 264403, 1048576, 200181, "412662 829345 474125 440937 455630",
       "57689d7fe2780753f114fee955a016944c0fcef1a6a619bcf908486749e805bc"},
      {"DYNAMIC-8M-BUZHASH", 4, 6329226, 14211250, 13001056, "9335067 7123401 14211250 6329226",
       "10b6f7c261df7451590c8267b7d14d980b7365039fc0a6e86d0f294287f2363e"},
      {"DYNAMIC-8M-RABINKARP", 6, 4333095, 14298299, 464584, "6353171 14298299 13397624 4333095 6315152",
       "6f94a77c2008ab10abd6f1271a550f932ca933b2e13fb06d5794ed8b8231c1c2"},
      {"FIXED", 11, 4194304, 4194304, 3862656, "4194304 4194304 4194304 4194304 4194304",
       "92be5b33a5b24c1112aaa513e5a6064c6fe8a0a366acb181798c0f06e831a23b"},
      {"FIXED-128K", 381, 131072, 131072, 61568, "131072 131072 131072 131072 131072",
       "2c21e7d1a6c1657528652211121fc3010fa0c178eb8659d7ec5e4ce3a35f3006"},
      {"FIXED-1M", 47, 1048576, 1048576, 716928, "1048576 1048576 1048576 1048576 1048576",
       "dadc6870ff98c3a09bf9e49bba7947a3e79da5c651c5755a0160105fe6612a32"},
      {"FIXED-256K", 190, 262144, 262144, 192640, "262144 262144 262144 262144 262144",
       "bb1eac73abbc3cb28e465ba0af1c0ca1c9caae742c6775f45210cbb46f589eec"},
      {"FIXED-2M", 23, 2097152, 2097152, 1765504, "2097152 2097152 2097152 2097152 2097152",
       "6df9304f8d82671bdff6c4d562eec010053d66f1e6e0330fea887af721caf6fc"},
      {"FIXED-4M", 11, 4194304, 4194304, 3862656, "4194304 4194304 4194304 4194304 4194304",
       "92be5b33a5b24c1112aaa513e5a6064c6fe8a0a366acb181798c0f06e831a23b"},
      {"FIXED-512K", 95, 524288, 524288, 192640, "524288 524288 524288 524288 524288",
       "320926656fabacabc953cb78b45376000f08cf483e7b6f7ca8fcc2f1665f80ec"},
      {"FIXED-8M", 5, 8388608, 8388608, 8056960, "8388608 8388608 8388608 8388608 8388608",
       "f8642f16a2ede15c55eddf40fea0bbe4bfee8c3d2b6fa577afd2c6e6c57b5e09"},
  };
  ASSERT_EQ(std::size(cases), splitter_names().size());
  for (const Case& c : cases) {
    const auto s = splitter(c.name);
    const Cuts cuts = cut(*s, data);
    ASSERT_EQ(cuts.lengths.size(), c.count) << c.name;
    EXPECT_EQ(*std::min_element(cuts.lengths.begin(), cuts.lengths.end()), c.min);
    EXPECT_EQ(*std::max_element(cuts.lengths.begin(), cuts.lengths.end()), c.max);
    EXPECT_EQ(first_lengths(cuts, words_in(c.first)), c.first);
    EXPECT_EQ(cuts.tail, c.tail);
    Bytes b;
    for (const std::size_t n : cuts.lengths) {
      for (int i = 0; i < 8; ++i) {
        b.push_back(static_cast<Byte>(n >> (8 * i)));
      }
    }
    EXPECT_EQ(hex_encode(crypto::sha256(b)), c.digest) << c.name;
  }
}

// kopia-format B: 64 MiB of SHA-256(u64 0), SHA-256(u64 1), …; digest over the decimal lengths, tail included.
TEST(Splitter, HashedCounterVectors) {
  Bytes data;
  data.reserve(64 << 20);
  for (std::uint64_t i = 0; data.size() < 64 << 20; ++i) {
    Byte b[8];
    for (int k = 0; k < 8; ++k) {
      b[k] = static_cast<Byte>(i >> (8 * k));
    }
    const auto h = crypto::sha256(b);
    data.insert(data.end(), h.begin(), h.end());
  }
  ASSERT_EQ(hex_encode(crypto::sha256(data)), "d586f85abf200a5e25cb95cb384e6b4c81c605ba7b47c4d7799aed7fa0adc897");
  struct Case {
    std::string_view name;
    std::size_t count;
    std::string_view first, digest;
  };
  const Case cases[] = {
      {"DYNAMIC-128K-BUZHASH", 394, "259127 146709 136437 76078 262144 71117 241300 96596", "308179a36ec1fa62"},
      {"DYNAMIC-128K-RABINKARP", 390, "94682 175669 74997 262144 82319 78923 148528 97730", "91f0cb5687c4d51d"},
      {"DYNAMIC-1M-BUZHASH", 50, "1009336 1959403 1823944 1010086 1121637 636852 2097152 939926", "403761eb99f3524d"},
      {"DYNAMIC-1M-RABINKARP", 47, "689811 2097152 1580575 1022194 616370 1305677 1619726 895073", "ff005c49a0e1d509"},
      {"DYNAMIC-256K-BUZHASH", 197, "314389 524288 170659 183576 230424 524288 524288 380595", "f45e163e84fd9c32"},
      {"DYNAMIC-256K-RABINKARP", 202, "270351 419460 227451 524288 222125 140615 154262 524288", "ef69dae121b08535"},
      {"DYNAMIC-2M-BUZHASH", 28, "1423336 2056744 1312603 2131723 3782199 4194304 3748946 3009851", "878abc645d724857"},
      {"DYNAMIC-2M-RABINKARP", 22, "4194304 3117475 4194304 2494666 3150554 4194304 4194304 2436820",
       "9cce7b8e20dbf128"},
      {"DYNAMIC-4M-BUZHASH", 13,
       "7561258 3145347 8388608 3458236 6313606 2315522 4897986 8388608 2713416 8388608 3622274 2917451",
       "e394ca1e1bd84729"},
      {"DYNAMIC-4M-RABINKARP", 12,
       "7785978 6214771 8388608 5587374 2832369 3980795 6643013 7570198 4655806 5563350 5339488 2547114",
       "f13f4ef37103ecc4"},
      {"DYNAMIC-512K-BUZHASH", 101, "314389 694947 280172 1048576 630655 476231 305854 692244", "180d3df6b8ee1578"},
      {"DYNAMIC-512K-RABINKARP", 97, "689811 1048576 1048576 501313 1048576 370708 453222 627507", "f688e9157255a17a"},
      {"DYNAMIC-8M-BUZHASH", 7, "7561258 16399171 4906626 16777216 10298484 5328831 5837278", "561b8fa266ccca8f"},
      {"DYNAMIC-8M-RABINKARP", 7, "7785978 6214771 16777216 16777216 6103731 10902838 2547114", "41e465826503d7d5"},
  };
  for (const Case& c : cases) {
    const auto s = splitter(c.name);
    Cuts cuts = cut(*s, data);
    if (cuts.tail > 0) {
      cuts.lengths.push_back(cuts.tail);
    }
    ASSERT_EQ(cuts.lengths.size(), c.count) << c.name;
    EXPECT_EQ(first_lengths(cuts, words_in(c.first)), c.first);
    std::string text;
    for (const std::size_t n : cuts.lengths) {
      text += std::to_string(n) + ",";
    }
    EXPECT_EQ(hex_encode(crypto::sha256(as_bytes(text))).substr(0, 16), c.digest) << c.name;
  }
}

TEST(Splitter, ChunkLengthsOfTheRealProgram) {
  std::ifstream file(CAIRN_TESTS_DIR "/golden/splitters.json");
  ASSERT_TRUE(file.good());
  std::stringstream text;
  text << file.rdbuf();
  auto golden = Json::parse(text.str());
  ASSERT_TRUE(golden.ok()) << golden.status().message();
  std::size_t checked = 0;
  for (const auto& [input, description] : (*golden)["inputs"].members()) {
    const Json& g = description["gen"];
    const auto parameter = static_cast<std::uint64_t>((g.find("seed") != nullptr ? g["seed"] : g["byte"]).as_int());
    const Bytes data = test::gen(g["kind"].as_string(), parameter, static_cast<std::size_t>(g["size"].as_int()));
    ASSERT_EQ(hex_encode(crypto::sha256(data)), description["sha256"].as_string()) << input;
    for (const auto& [name, by_input] : (*golden)["splitters"].members()) {
      const auto s = splitter(name);
      Cuts cuts = cut(*s, data);
      if (cuts.tail > 0) {
        cuts.lengths.push_back(cuts.tail);
      }
      std::vector<std::size_t> expected;
      for (const Json& n : by_input[input].items()) {
        expected.push_back(static_cast<std::size_t>(n.as_int()));
      }
      EXPECT_EQ(cuts.lengths, expected) << name << " on " << input;
      ++checked;
    }
  }
  EXPECT_EQ(checked, 5 * splitter_names().size());
}

TEST(Splitter, ConstantData) {
  for (const auto& [name, value, lengths, tail] :
       {std::tuple{"DYNAMIC-4M-BUZHASH", 0, std::vector<std::size_t>(19, 2097152), 154112U},
        std::tuple{"DYNAMIC-4M-RABINKARP", 0, std::vector<std::size_t>(19, 2097152), 154112U},
        std::tuple{"DYNAMIC-4M-BUZHASH", 0xff, std::vector<std::size_t>(19, 2097152), 154112U},
        std::tuple{"DYNAMIC-4M-RABINKARP", 0xff, std::vector<std::size_t>(4, 8388608), 6445568U}}) {
    const auto s = splitter(name);
    const Cuts cuts = cut(*s, test::gen_byte(static_cast<Byte>(value), 40000000));
    EXPECT_EQ(cuts.lengths, lengths) << name << value;
    EXPECT_EQ(cuts.tail, tail);
  }
}

// One byte at a time, as the definition reads.
Cuts by_definition(std::string_view kind, std::size_t average, ByteView data) {
  const FindFunction find = kind == "buzhash" ? find_buzhash : find_rabinkarp;
  Bytes stream(64);
  stream.insert(stream.end(), data.begin(), data.end());
  Cuts c;
  for (std::size_t i = 0; i < data.size(); ++i) {
    ++c.tail;
    const bool hit = c.tail >= average / 2 && find(stream.data() + 64 + i, 1, average - 1) == 0;
    if (hit || c.tail >= 2 * average) {
      c.lengths.push_back(std::exchange(c.tail, 0));
    }
  }
  return c;
}

TEST(Splitter, SlicingDoesNotMatter) {
  std::mt19937 random(1);
  Bytes data = test::gen_rand(9, 200000);
  std::fill(data.begin() + 50000, data.begin() + 60000, Byte{0});
  std::fill(data.begin() + 90000, data.begin() + 95000, Byte{7});
  for (const std::string_view kind : {"buzhash", "rabinkarp"}) {
    for (const std::size_t average : {2, 16, 32, 64, 128, 1024, 8192}) {
      const Cuts expected = by_definition(kind, average, data);
      const auto s = make_test_splitter(kind, average);
      for (const std::size_t slice_max : {std::size_t{1}, std::size_t{3}, std::size_t{64}, std::size_t{65},
                                          std::size_t{1000}, std::size_t{70000}, std::size_t{1} << 30}) {
        s->reset();
        const Cuts cuts = cut(*s, data, [&] { return 1 + random() % slice_max; });
        EXPECT_EQ(cuts.lengths, expected.lengths) << kind << " " << average << " slices up to " << slice_max;
        EXPECT_EQ(cuts.tail, expected.tail);
      }
    }
  }
}

TEST(Splitter, EmptyInputCutsNothing) {
  for (const std::string_view name : splitter_names()) {
    EXPECT_EQ(splitter(name)->next({}), -1) << name;
  }
}

TEST(Splitter, ResetStartsAFreshObject) {
  const Bytes data = test::gen_rand(11, 600000);
  for (const std::string_view kind : {"fixed", "buzhash", "rabinkarp"}) {
    const auto s = make_test_splitter(kind, 1024);
    const Cuts first = cut(*s, data);
    s->next(ByteView(data).first(77));
    s->reset();
    EXPECT_EQ(cut(*s, data).lengths, first.lengths);
  }
}

TEST(Splitter, NamesAndLimits) {
  const auto names = splitter_names();
  EXPECT_TRUE(std::is_sorted(names.begin(), names.end()));
  EXPECT_TRUE(is_known(kDefaultSplitter));
  EXPECT_TRUE(is_known("FIXED"));
  EXPECT_FALSE(is_known("fixed"));
  EXPECT_FALSE(is_known(""));
  EXPECT_EQ(Splitter::create("DYNAMIC-16M-BUZHASH").code(), Code::unsupported);
  EXPECT_EQ(chunk_size_max("FIXED-128K"), 131072U);
  EXPECT_EQ(chunk_size_max("DYNAMIC"), 8U << 20);
  EXPECT_EQ(chunk_size_max("DYNAMIC-8M-RABINKARP"), 16U << 20);
  EXPECT_EQ(chunk_size_max("unknown"), 0U);
  for (const std::string_view n : names) {
    EXPECT_EQ(splitter(n)->chunk_size_max(), chunk_size_max(n));
  }
}

}  // namespace
}  // namespace cairn::split
