#include "crypto/aead.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "crypto/kdf.h"

namespace cairn::crypto {
namespace {

constexpr std::string_view kAes = "AES256-GCM-HMAC-SHA256";
constexpr std::string_view kChaCha = "CHACHA20-POLY1305-HMAC-SHA256";

Bytes seq(std::size_t n, int first = 0) {
  Bytes b(n);
  std::iota(b.begin(), b.end(), static_cast<Byte>(first));
  return b;
}
Bytes unhex(std::string_view text) {
  auto r = hex_decode(text);
  EXPECT_TRUE(r.ok());
  return std::move(r).value();
}
std::unique_ptr<Encryptor> encryptor(std::string_view name, ByteView master_key) {
  const SecretBytes secret = hkdf_sha256(master_key, as_bytes("encryption"), {}, 32);
  auto e = Encryptor::create(name, secret.view());
  EXPECT_TRUE(e.ok());
  return std::move(e).value();
}

TEST(Encryptor, OpensReferenceSamples) {
  struct Case {
    std::string_view algorithm, iv, plaintext, sealed;
  };
  const Case cases[] = {
      {kAes, "aabbccddeeffgghhiijjkkllmmnnoopp", "foo",
       "e43ba07f85a6d70c5f1102ca06cf19c597e5f91e527b21f00fb76e8bec3fd1"},
      {kChaCha, "aabbccddeeffgghhiijjkkllmmnnoopp", "foo",
       "118359f3d4d589d939efbbc3168ae4c77c51bcebce6845fe6ef5d11342faa6"},
      {kAes, "00000000000000000000000000000000", "quick brown fox jumps over the lazy dog",
       "eaad755a238f1daa4052db2e5ccddd934790b6cca415b3ccfd46ac5746af33d9d30f4400ffa9eb3a64fb1ce21b888c12c043bf6787d4a5c"
       "15ad1"
       "0f21f6a6027ee3afe0"},
      {kChaCha, "00000000000000000000000000000000", "quick brown fox jumps over the lazy dog",
       "836d2ba87892711077adbdbe1452d3b2c590bbfdf6fd3387dc6810220a32ec19de862e1a4f865575e328424b5f178afac1b7eeff11494f7"
       "19d11"
       "9b7ebb924d1d0846a3"},
  };
  for (const Case& c : cases) {
    const auto e = encryptor(c.algorithm, as_bytes("01234567890123456789012345678901"));
    auto plain = e->open(as_bytes(c.iv), unhex(c.sealed));
    ASSERT_TRUE(plain.ok()) << plain.status().message();
    EXPECT_EQ(plain->text(), c.plaintext);
  }
}

TEST(Encryptor, SealsTheFixtureContent) {
  const Bytes iv = unhex("1996bd5b8ff62a7ed450720813919008");
  auto aes = encryptor(kAes, seq(32, 0x40))->seal_with_nonce(iv, as_bytes("hello world"), seq(12));
  ASSERT_TRUE(aes.ok());
  EXPECT_EQ(hex_encode(*aes), "000102030405060708090a0bf72e266ac1c7e3df257bd6caf538694cc13faa166c5e8ff30936ca");
  auto chacha = encryptor(kChaCha, seq(32, 0x40))->seal_with_nonce(iv, as_bytes("hello world"), seq(12));
  ASSERT_TRUE(chacha.ok());
  EXPECT_EQ(hex_encode(*chacha), "000102030405060708090a0bbb5402ce574af3aad2da41faab043e5aa7f50a3a97d3a0bed16c84");
}

TEST(Encryptor, EveryCutOfThePiecesGivesTheSame) {
  const Bytes iv = seq(16, 7);
  for (const std::string_view name : encryption_names()) {
    const auto e = encryptor(name, seq(32));
    for (const std::size_t size : {0, 1, 11, 12, 13, 16, 31, 32, 33, 255, 1000, 5000}) {
      const Bytes plain = seq(size);
      for (const std::size_t cut : {1, 5, 12, 16, 17, 64, 700}) {
        std::vector<ByteView> in;
        for (std::size_t at = 0; at < size; at += cut) {
          in.emplace_back(plain.data() + at, std::min(cut, size - at));
          in.emplace_back();
        }
        Bytes sealed(size + e->overhead());
        std::vector<MutByteView> out;
        const std::size_t out_cut = cut % 7 + 9;
        for (std::size_t at = 0; at < sealed.size(); at += out_cut) {
          out.emplace_back();
          out.emplace_back(sealed.data() + at, std::min(out_cut, sealed.size() - at));
        }
        ASSERT_TRUE(e->seal(iv, GatherView(in), out).ok());
        auto expected = e->seal_with_nonce(iv, plain, ByteView(sealed).first(kNonceSize));
        ASSERT_TRUE(expected.ok());
        ASSERT_EQ(hex_encode(sealed), hex_encode(*expected)) << name << " size " << size << " cut " << cut;

        std::vector<ByteView> pieces;
        for (std::size_t at = 0; at < sealed.size(); at += cut) {
          pieces.emplace_back(sealed.data() + at, std::min(cut, sealed.size() - at));
        }
        Bytes opened(size);
        ASSERT_TRUE(e->open(iv, GatherView(pieces), MutByteView(opened)).ok());
        ASSERT_EQ(opened, plain);
      }
    }
  }
}

TEST(Encryptor, NoncesDiffer) {
  const auto e = encryptor(kAes, seq(32));
  auto a = e->seal(seq(16), as_bytes("same"));
  auto b = e->seal(seq(16), as_bytes("same"));
  ASSERT_TRUE(a.ok() && b.ok());
  EXPECT_NE(hex_encode(*a), hex_encode(*b));
}

TEST(Encryptor, EveryFlippedBitIsFound) {
  for (const std::string_view name : encryption_names()) {
    const auto e = encryptor(name, seq(32));
    auto sealed = e->seal(seq(16), as_bytes("some text to protect"));
    ASSERT_TRUE(sealed.ok());
    for (std::size_t bit = 0; bit < sealed->size() * 8; ++bit) {
      Buffer damaged = Buffer::copy_of(sealed->view());
      damaged[bit / 8] ^= static_cast<Byte>(1 << bit % 8);
      EXPECT_EQ(e->open(seq(16), damaged).code(), Code::corrupt) << bit;
    }
    EXPECT_EQ(e->open(seq(16, 1), *sealed).code(), Code::corrupt);
    EXPECT_TRUE(e->open(seq(16), *sealed).ok());
  }
}

TEST(Encryptor, TooShortIsCorrupt) {
  const auto e = encryptor(kAes, seq(32));
  for (std::size_t n = 0; n < kAeadOverhead; ++n) {
    EXPECT_EQ(e->open(seq(16), seq(n)).code(), Code::corrupt);
    const Bytes sealed = seq(n);
    const ByteView piece = sealed;
    EXPECT_EQ(e->open(seq(16), GatherView(&piece, 1), MutByteView()).code(), Code::corrupt);
  }
  auto empty = e->seal(seq(16), ByteView());
  ASSERT_TRUE(empty.ok());
  EXPECT_EQ(empty->size(), kAeadOverhead);
  EXPECT_TRUE(e->open(seq(16), *empty).ok());
}

TEST(Encryptor, UnknownNames) {
  EXPECT_EQ(Encryptor::create("NONE", seq(32)).code(), Code::unsupported);
  EXPECT_EQ(encryption_names().size(), 2U);
  EXPECT_EQ(encryption_names()[0], kDefaultEncryption);
}

TEST(Aes256Gcm, FormatBlobSamples) {
  const Bytes id = seq(32);
  auto key = derive_from_password(kDefaultKdf, "test-password", id);
  ASSERT_TRUE(key.ok());
  const SecretBytes aes = hkdf_sha256(key->view(), id, as_bytes("AES"), 32);
  const SecretBytes aad = hkdf_sha256(key->view(), id, as_bytes("CHECKSUM"), 32);
  auto sealed = aes256gcm_seal(aes.view(), seq(12), as_bytes("{}"), aad.view());
  ASSERT_TRUE(sealed.ok());
  EXPECT_EQ(hex_encode(*sealed), "000102030405060708090a0bded7d2519959fae770cef2bc3a751bee0a71");
  auto opened =
      aes256gcm_open(aes.view(), unhex("142458fd569772046b25e70fa0da1a74a742fff362002f6dbc4bc6a47cf3"), aad.view());
  ASSERT_TRUE(opened.ok());
  EXPECT_EQ(opened->text(), "{}");

  const SecretBytes schedule = hkdf_sha256(seq(32, 0x40), id, as_bytes("maintenance schedule"), 32);
  auto maintenance = aes256gcm_seal(
      schedule.view(), seq(12),
      as_bytes(
          R"({"nextFullMaintenance":"2024-01-03T03:04:05Z","nextQuickMaintenance":"2024-01-02T04:04:05Z","runs":null})"),
      as_bytes("maintenance"));
  ASSERT_TRUE(maintenance.ok());
  EXPECT_EQ(hex_encode(*maintenance),
            "000102030405060708090a0b3f57046d13d01a10ea3b99cb8fafbf0b7a8c71a463488158a330952bdafdedc10edb6d6d0fe0f7ca2a"
            "16be42a5"
            "b7f18ae353b46379359d053c82baca69912422846da29f257ce234159b93d4f94b4c8fc24e6ace9826cd98123018712a95baca4a87"
            "9ca9d5ed"
            "9d61853ecacbefde7fe7cbf6005802573729");
}

TEST(Aes256Gcm, RefusesWrongKeySizes) {
  EXPECT_EQ(aes256gcm_seal(seq(16), seq(12), {}, {}).code(), Code::invalid_argument);
  EXPECT_EQ(aes256gcm_seal(seq(32), seq(11), {}, {}).code(), Code::invalid_argument);
  EXPECT_EQ(aes256gcm_open(seq(31), seq(40), {}).code(), Code::invalid_argument);
  EXPECT_EQ(aes256gcm_open(seq(32), seq(27), {}).code(), Code::corrupt);
}

}  // namespace
}  // namespace cairn::crypto
