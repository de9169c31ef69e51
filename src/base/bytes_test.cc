#include "base/bytes.h"

#include <gtest/gtest.h>

#include "base/ids.h"

namespace cairn {
namespace {

TEST(Bytes, HexBothWays) {
  const Byte raw[] = {0x00, 0x9f, 0xff};
  EXPECT_EQ(hex_encode(raw), "009fff");
  EXPECT_EQ(*hex_decode("009fFF"), Bytes(std::begin(raw), std::end(raw)));
  EXPECT_FALSE(hex_decode("0").ok());
  EXPECT_FALSE(hex_decode("0g").ok());
}

// RFC 4648 §10.
TEST(Bytes, Base64Vectors) {
  const std::pair<std::string_view, std::string_view> vectors[] = {
      {"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, encoded] : vectors) {
    EXPECT_EQ(base64_encode(as_bytes(plain)), encoded);
    const auto decoded = base64_decode(encoded);
    ASSERT_TRUE(decoded.ok()) << encoded;
    EXPECT_EQ(as_text(*decoded), plain);
  }
  const Byte raw[] = {0xfb, 0xff};
  EXPECT_EQ(base64url_raw_encode(raw), "-_8");
  EXPECT_EQ(*base64url_raw_decode("-_8"), Bytes(std::begin(raw), std::end(raw)));
  EXPECT_FALSE(base64_decode("Z").ok());
  EXPECT_FALSE(base64_decode("Zm9v!").ok());
  EXPECT_FALSE(base64url_raw_decode("+/8").ok());
}

TEST(Bytes, IntegersInNamedOrder) {
  Byte b[8];
  store_be64(b, 0x0102030405060708);
  EXPECT_EQ(load_be64(b), 0x0102030405060708U);
  EXPECT_EQ(load_be32(b), 0x01020304U);
  EXPECT_EQ(load_be24(b), 0x010203U);
  EXPECT_EQ(load_be16(b), 0x0102U);
  EXPECT_EQ(load_le32(b), 0x04030201U);
  EXPECT_EQ(load_le64(b), 0x0807060504030201U);
}

TEST(Bytes, UvarintBoundsItsLength) {
  for (const std::uint64_t v : {std::uint64_t{0}, std::uint64_t{127}, std::uint64_t{128}, ~std::uint64_t{0}}) {
    Buffer out;
    append_uvarint(out, v);
    ByteView in = out;
    EXPECT_EQ(*read_uvarint(in), v);
    EXPECT_TRUE(in.empty());
    ByteView cut = out.view().first(out.size() - 1);
    EXPECT_EQ(read_uvarint(cut).code(), Code::corrupt);
  }
  const Bytes endless(11, 0x80);
  ByteView in = endless;
  EXPECT_EQ(read_uvarint(in).code(), Code::corrupt);
}

TEST(Bytes, Crc32OfTheCheckString) { EXPECT_EQ(crc32_ieee(as_bytes("123456789")), 0xCBF43926U); }

TEST(Buffer, GrowsAndMoves) {
  Buffer a = Buffer::copy_of("abc");
  for (int i = 0; i < 1000; ++i) {
    a.push_back(static_cast<Byte>(i));
  }
  EXPECT_EQ(a.size(), 1003U);
  EXPECT_EQ(a[3 + 700], static_cast<Byte>(700));
  const Buffer b = std::move(a);
  EXPECT_EQ(a.size(), 0U);
  EXPECT_EQ(b.text().substr(0, 3), "abc");
}

TEST(ContentId, TextBothWaysAndOrder) {
  const auto plain = ContentId::parse("00112233445566778899aabbccddeeff");
  const auto prefixed = ContentId::parse("k00112233445566778899aabbccddeeff");
  ASSERT_TRUE(plain.ok() && prefixed.ok());
  EXPECT_EQ(plain->text(), "00112233445566778899aabbccddeeff");
  EXPECT_EQ(prefixed->text(), "k00112233445566778899aabbccddeeff");
  EXPECT_LT(*plain, *prefixed);
  EXPECT_NE(plain->hash_code(), prefixed->hash_code());
  for (const char* bad : {"k", "0", "f00", "zz", "k0", "a00112233445566778899aabbccddeeff", "K00"}) {
    EXPECT_EQ(ContentId::parse(bad).code(), Code::invalid_argument) << bad;
  }
}

}  // namespace
}  // namespace cairn
