#include "crypto/kdf.h"

#include <gtest/gtest.h>

#include <numeric>

namespace cairn::crypto {
namespace {

Bytes seq(std::size_t n, int first = 0) {
  Bytes b(n);
  std::iota(b.begin(), b.end(), static_cast<Byte>(first));
  return b;
}

std::string hkdf_hex(ByteView ikm, ByteView salt, std::string_view info, std::size_t n = 32) {
  return hex_encode(hkdf_sha256(ikm, salt, as_bytes(info), n).view());
}

TEST(Kdf, PasswordAndFormatKeys) {
  struct Case {
    std::string_view name, key, aes, checksum;
  };
  const Case cases[] = {
      {"scrypt-65536-8-1", "c25bccae074678f4ce6443ce46b56229e112e00ee0e52a53ff3ab35aeec3bac7",
       "dea70e93a79e69145302bb312d93eae1c647df3432c8467955f6d6d09554d1fd",
       "eb11c3d7fc8134db288d5d8155c8013cfb4d610a5abf51c23bc33444ee208a0b"},
      {"pbkdf2-sha256-600000", "8aba72dadfcd3b59e16a4f57d805f18dcf81b29fa8c9046e8fa8a899ea4f1248",
       "2d5a89def07b8e3284f0beeaf6537da9c8bdbabd17e087c7935099f3fe66d7cd",
       "28649ec03ce63f4ff20e1b583b6072b5a86231944220a6d9fd1ffabb2f8903d1"},
  };
  const Bytes salt = seq(32);
  for (const Case& c : cases) {
    auto key = derive_from_password(c.name, "test-password", salt);
    ASSERT_TRUE(key.ok()) << key.status().message();
    EXPECT_EQ(hex_encode(key->view()), c.key);
    EXPECT_EQ(hkdf_hex(key->view(), salt, "AES"), c.aes);
    EXPECT_EQ(hkdf_hex(key->view(), salt, "CHECKSUM"), c.checksum);
  }
}

TEST(Kdf, RefusesShortSaltAndUnknownNames) {
  EXPECT_EQ(derive_from_password("scrypt-65536-8-1", "x", seq(15)).code(), Code::invalid_argument);
  EXPECT_EQ(derive_from_password("testing-only-insecure", "x", seq(32)).code(), Code::unsupported);
  EXPECT_EQ(derive_from_password("", "x", seq(32)).code(), Code::unsupported);
}

TEST(Kdf, EmptyPasswordIsAPassword) {
  EXPECT_TRUE(derive_from_password(kDefaultKdf, {}, seq(16)).ok());
  EXPECT_TRUE(derive_from_password("pbkdf2-sha256-600000", {}, seq(16)).ok());
}

TEST(Kdf, NamesContainTheDefault) {
  const auto names = kdf_names();
  EXPECT_EQ(names.size(), 2U);
  EXPECT_NE(std::find(names.begin(), names.end(), kDefaultKdf), names.end());
}

TEST(Hkdf, ReferenceVectors) {
  EXPECT_EQ(hkdf_hex(as_bytes("ABCDEFGHIJKLMNOP"), as_bytes("0123456789012345"), "the-test-purpose"),
            "828769ee8969bc37f11dbaa32838f8db6c19daa6e3ae5f5eed2da2d94d8faddb");
  const Bytes id = seq(32);
  const Bytes master = seq(32, 0x40);
  EXPECT_EQ(hkdf_hex(master, id, "maintenance schedule"),
            "df3abcb527a008fb8f3b8fe556f35133a44bdfe1f801920f6875b2ad1686b17d");
  EXPECT_EQ(hkdf_hex(seq(32, 0x80), id, "local-cache-integrity", 16), "7d1423708beff9e56f0f30c72f8f5105");
  EXPECT_EQ(hkdf_hex(master, as_bytes("encryption"), ""),
            "efffeb0407ce08e6fca4220165c06bf4508d6ee17538f6a69f8df8149a6067d2");
}

TEST(Hkdf, Rfc5869) {
  // Cases 2 (several blocks) and 3 (neither salt nor info).
  const Bytes info = seq(80, 0xb0);
  EXPECT_EQ(
      hex_encode(hkdf_sha256(seq(80), seq(80, 0x60), info, 82).view()),
      "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09da3275600c2f0"
      "9b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87");
  EXPECT_EQ(hex_encode(hkdf_sha256(Bytes(22, 0x0b), {}, {}, 42).view()),
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8");
}

TEST(Hmac, Rfc4231) {
  EXPECT_EQ(hex_encode(hmac_sha256(as_bytes("Jefe"), as_bytes("what do ya want for nothing?"))),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(
      hex_encode(hmac_sha256(Bytes(131, 0xaa), as_bytes("Test Using Larger Than Block-Size Key - Hash Key First"))),
      "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST(ConstantTimeEqual, ComparesSizesAndBytes) {
  EXPECT_TRUE(constant_time_equal({}, {}));
  EXPECT_TRUE(constant_time_equal(seq(5), seq(5)));
  EXPECT_FALSE(constant_time_equal(seq(5), seq(6)));
  EXPECT_FALSE(constant_time_equal(seq(5), seq(5, 1)));
}

}  // namespace
}  // namespace cairn::crypto
