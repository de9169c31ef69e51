#include "crypto/hash.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

namespace cairn::crypto {
namespace {

Bytes seq(std::size_t n) {
  Bytes b(n);
  std::iota(b.begin(), b.end(), Byte{0});
  return b;
}

std::string hash_hex(const Hasher& h, ByteView data) {
  HashValue v;
  h.hash(data, v);
  return hex_encode(v.view());
}

std::string hash_hex(std::string_view name, ByteView key, std::string_view text) {
  auto h = Hasher::create(name, key);
  return h.ok() ? hash_hex(**h, as_bytes(text)) : std::string(code_facts(h.code()).name);
}

// kopia-format A.2: key = bytes 0…31; inputs "", "abc", the fox.
struct Golden {
  std::string_view name, of_empty, of_abc, of_fox;
};
constexpr Golden kGolden[] = {
    {"BLAKE2B-256", "4e51e7a913fc80137da52880fecca175bf81e117d5c68126dc2774033517ea0d",
     "d63a32d3e44738d7907f964316c241adaba0abfeabc32349677578a15a203f7f",
     "5d9461aff732d77d0cc98725ea29298c914fd5193b4c08ec9e3ad6b28c3e2faf"},
    {"BLAKE2B-256-128", "4e51e7a913fc80137da52880fecca175", "d63a32d3e44738d7907f964316c241ad",
     "5d9461aff732d77d0cc98725ea29298c"},
    {"BLAKE2S-128", "9536f9b267655743dee97b8a670f9f53", "61ba5f165c194692e09d12520cc4c74a",
     "4e2219ec6d234a478e4ace91429bbce4"},
    {"BLAKE2S-256", "48a8997da407876b3d79c0d92325ad3b89cbb754d86ab71aee047ad345fd2c49",
     "a281f725754969a702f6fe36fc591b7def866e4b70173ece402fc01c064d6b65",
     "96b9463f887ba8eb7444074245f3b2f838d6ee5a659490adcf7ae80cc97bc67f"},
    {"BLAKE3-256", "73492b19995d71cdb1e9d74decc09809eb732f1b00bc95c27cb15f9dd4d6478f",
     "6da54495d8152f2bcba87bd7282df70901cdb66b4448ed5f4c7bd2852b8b5532",
     "f1c78a63454ec51f42b9d88ac49133942182b5ecb380dc9ec90dcd7e6ad675e8"},
    {"BLAKE3-256-128", "73492b19995d71cdb1e9d74decc09809", "6da54495d8152f2bcba87bd7282df709",
     "f1c78a63454ec51f42b9d88ac4913394"},
    {"HMAC-SHA224", "2a7430f93bb5456d155c654063c7074aa70c01936a6c0e53a9f9407f",
     "f8930d410fdd27f8d703d1f9852a2202569224942a0a8cc02a25db71",
     "c19bf589632c1938fa9433a3fba6d063a76a89f95cbfad9724292959"},
    {"HMAC-SHA256", "d38b42096d80f45f826b44a9d5607de72496a415d3f4a1a8c88e3bb9da8dc1cb",
     "f0133729c4163dede81e21cd47839256da58171238c8a0d874397c73b14e1e47",
     "f87ad256151fc7b4c5dffa4adb3ebe911a8eeb8a8ebdee3c2a4a8e5f5ec02c32"},
    {"HMAC-SHA256-128", "d38b42096d80f45f826b44a9d5607de7", "f0133729c4163dede81e21cd47839256",
     "f87ad256151fc7b4c5dffa4adb3ebe91"},
    {"HMAC-SHA3-224", "2e37c6fd64fd8a04653d260323bc726482d8cb6b4d9e59e02bd58cd9",
     "debdc30c521141e043efd1e30e6555ddafe8e485a0b56931f3c6be91",
     "c058b4ace7a24b83460c1cb59a43c777a2b927b7ffb4b976cc26377e"},
    {"HMAC-SHA3-256", "50ab1606034383fe4b3b4bc0a341a82e40ac85e455cdfeed4cac902a7b8ccfc1",
     "632f618ac17ba24355d9ee1fd187cf75bb5b68e6948804bf6674bf5ee7f1c345",
     "147d7580b74be73a6c117f3320568ddf71834893daaa4631894ade39ca08e709"},
};
constexpr std::string_view kFox = "The quick brown fox jumps over the lazy dog";

TEST(Hasher, GoldenVectors) {
  const Bytes key = seq(32);
  for (const Golden& g : kGolden) {
    EXPECT_EQ(hash_hex(g.name, key, ""), g.of_empty) << g.name;
    EXPECT_EQ(hash_hex(g.name, key, "abc"), g.of_abc) << g.name;
    EXPECT_EQ(hash_hex(g.name, key, kFox), g.of_fox) << g.name;
  }
}

TEST(Hasher, KeysOfOtherSizes) {
  const ByteView secret = as_bytes("secret");
  EXPECT_EQ(hash_hex("BLAKE2B-256-128", {}, "abc"), "bddd813c634239723171ef3fee98579b");
  EXPECT_EQ(hash_hex("BLAKE2S-256", {}, "abc"), "508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982");
  EXPECT_EQ(hash_hex("BLAKE2S-128", {}, "abc"), "invalid_argument");
  EXPECT_EQ(hash_hex("BLAKE3-256", {}, "abc"), "58542c489955389457a37359575486e11180602ec6919003018e9f8665437c76");
  EXPECT_EQ(hash_hex("BLAKE2B-256-128", secret, "abc"), "e23c35713e7249f369b7c6f60291c0af");
  EXPECT_EQ(hash_hex("BLAKE2S-128", secret, "abc"), "9af4e6ccbbfafb7c9dbc6088ca27f3da");
  EXPECT_EQ(hash_hex("BLAKE3-256", secret, "abc"), "746531a2babb7489eb86bcaa80d43db1e8f690940672bb221881de628aaefe4e");
  EXPECT_EQ(hash_hex("BLAKE3-256", seq(64), "abc"), hash_hex("BLAKE3-256", seq(32), "abc"));
  EXPECT_EQ(hash_hex("BLAKE2S-128", seq(64), "abc"), "invalid_argument");
  EXPECT_EQ(hash_hex("BLAKE2S-256", seq(33), "abc"), "invalid_argument");
  EXPECT_EQ(hash_hex("BLAKE2B-256", seq(64), "abc").size(), 64U);
  EXPECT_EQ(hash_hex("BLAKE2B-256", seq(65), "abc"), "invalid_argument");
  EXPECT_EQ(hash_hex("BLAKE2B-256-128", {}, "\x01\x02\x03"), "11c0e79b71c3976ccd0c02d1310e2516");
  EXPECT_EQ(hash_hex("BLAKE2B-256-128", {}, "\x02\x03\x04"), "24ff687b6ca564bd005a99420c90a0db");
}

TEST(Hasher, UnknownNames) {
  EXPECT_EQ(hash_hex("BLAKE2B-512", seq(32), ""), "unsupported");
  EXPECT_EQ(hash_hex("", seq(32), ""), "unsupported");
}

TEST(Hasher, NamesAreSortedAndAllWork) {
  const auto names = hash_names();
  EXPECT_EQ(names.size(), std::size(kGolden));
  EXPECT_TRUE(std::is_sorted(names.begin(), names.end()));
  EXPECT_NE(std::find(names.begin(), names.end(), kDefaultHash), names.end());
  for (const std::string_view n : names) {
    auto h = Hasher::create(n, seq(32));
    ASSERT_TRUE(h.ok()) << n;
    EXPECT_EQ(hash_hex(**h, {}).size(), (*h)->size() * 2);
  }
}

TEST(Hasher, PiecesHashLikeTheWhole) {
  Bytes data = seq(256);
  while (data.size() < 5000) {
    data.insert(data.end(), data.begin(), data.end());
  }
  for (const std::string_view name : hash_names()) {
    auto h = Hasher::create(name, seq(32));
    ASSERT_TRUE(h.ok());
    for (const std::size_t size : {0, 1, 63, 64, 65, 127, 128, 129, 255, 256, 257, 1023, 1024, 4097}) {
      const ByteView whole(data.data(), size);
      const std::string expected = hash_hex(**h, whole);
      for (const std::size_t cut : {1, 3, 64, 100, 128, 200}) {
        std::vector<ByteView> parts = {ByteView()};
        for (std::size_t at = 0; at < size; at += cut) {
          parts.push_back(whole.subspan(at, std::min(cut, size - at)));
          parts.emplace_back();
        }
        HashValue v;
        (*h)->hash(GatherView(parts), v);
        EXPECT_EQ(hex_encode(v.view()), expected) << name << " size " << size << " cut " << cut;
      }
    }
  }
}

TEST(Hasher, ManyEqualsOneByOne) {
  Bytes big(70000);
  for (std::size_t i = 0; i < big.size(); ++i) {
    big[i] = static_cast<Byte>(i * i >> 7);
  }
  for (const std::string_view name : hash_names()) {
    auto h = Hasher::create(name, seq(32));
    ASSERT_TRUE(h.ok());
    for (const std::size_t count : {0, 1, 2, 3, 4, 5, 7, 8, 9, 17, 100}) {
      std::vector<ByteView> inputs;
      for (std::size_t i = 0; i < count; ++i) {
        // 0, exact blocks, odd sizes and a few long ones
        const std::size_t size = i % 5 == 0 ? i * 128 / 5 : i % 11 == 3 ? 60000 + i : i * 37 % 1500;
        inputs.emplace_back(big.data() + i, size);
      }
      std::vector<HashValue> out(count);
      (*h)->hash_many(inputs, out);
      for (std::size_t i = 0; i < count; ++i) {
        EXPECT_EQ(hex_encode(out[i].view()), hash_hex(**h, inputs[i])) << name << " " << i << " of " << count;
      }
    }
  }
}

TEST(Hasher, SharedByThreads) {
  auto h = Hasher::create("HMAC-SHA3-256", seq(32));
  ASSERT_TRUE(h.ok());
  std::vector<std::string> got(4);
  {
    std::vector<std::jthread> threads;
    for (std::string& g : got) {
      threads.emplace_back([&g, &h] {
        for (int i = 0; i < 200; ++i) {
          g = hash_hex(**h, as_bytes("abc"));
        }
      });
    }
  }
  for (const std::string& g : got) {
    EXPECT_EQ(g, "632f618ac17ba24355d9ee1fd187cf75bb5b68e6948804bf6674bf5ee7f1c345");
  }
}

TEST(Sha256, Abc) {
  EXPECT_EQ(hex_encode(sha256(as_bytes("abc"))), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hex_encode(sha256({})), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

}  // namespace
}  // namespace cairn::crypto
