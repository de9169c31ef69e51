#include "format/unit_crypto.h"

#include <gtest/gtest.h>

#include "crypto/aead.h"
#include "tests/support/small_repository.h"

namespace cairn::format {
namespace {

namespace small = testing::small_repository;

Parameters parameters(std::string_view hash = "BLAKE2B-256-128", int ecc_percent = 0) {
  CreateOptions o;
  o.hash = hash;
  o.ecc_overhead_percent = ecc_percent;
  for (int i = 0; i < 32; ++i) {
    o.master_key.push_back(static_cast<Byte>(0x40 + i));
    o.secret.push_back(static_cast<Byte>(0x80 + i));
  }
  auto p = new_parameters(o);
  EXPECT_TRUE(p.ok()) << p.status().message();
  return std::move(*p);
}

std::unique_ptr<UnitCrypto> make(std::string_view hash = "BLAKE2B-256-128", int ecc_percent = 0) {
  auto u = UnitCrypto::create(parameters(hash, ecc_percent));
  EXPECT_TRUE(u.ok()) << u.status().message();
  return std::move(*u);
}

Bytes unhex(std::string_view text) {
  auto r = hex_decode(text);
  EXPECT_TRUE(r.ok());
  return r.value();
}

TEST(UnitCrypto, OpensTheBlobsOfTheSmallRepository) {
  const auto u = make();
  const auto text = [&](const char* id, const char* stored) {
    auto r = u->open_blob(BlobId(id), unhex(stored));
    EXPECT_TRUE(r.ok()) << id << ": " << r.status().message();
    return r.ok() ? hex_encode(*r) : std::string();
  };
  EXPECT_EQ(text(small::kSessionId, small::kSession), hex_encode(as_bytes(small::kSessionJson)));
  EXPECT_EQ(text(small::kIndex1Id, small::kIndex1), small::kIndex1Plain);
  EXPECT_EQ(text(small::kIndex2Id, small::kIndex2), small::kIndex2Plain);
}

TEST(UnitCrypto, OpensTheContentsOfTheSmallRepository) {
  const auto u = make();
  const auto open = [&](const small::StoredContent& c) {
    return u->open(ContentId::parse(c.id)->iv(), unhex(c.stored));
  };
  auto first = open(small::kContents[0]);
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(first->text(), "hello world");
  HashValue h;
  u->hasher().hash(as_bytes("hello world"), h);
  EXPECT_EQ(hex_encode(h.view()), small::kContents[0].id);
  auto second = open(small::kContents[1]);
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(hex_encode(*second), small::kSecondPayload);
  EXPECT_TRUE(open(small::kContents[2]).ok());
  // The local index of a pack uses the whole hash, which the postamble gives.
  auto local = u->open(unhex(std::string_view(small::kPostamble).substr(4, 32)), unhex(small::kLocalIndex));
  ASSERT_TRUE(local.ok()) << local.status().message();
  EXPECT_EQ(hex_encode(local->view().first(local->size() - 32)), small::kLocalIndexPlain);
}

TEST(UnitCrypto, NamesAreTheHashOfThePlaintext) {
  const auto u = make();
  const Bytes plain = unhex(small::kIndex1Plain);
  auto sealed = u->seal_blob("", "s3035f716e3c5b0d9124-c1", plain);
  ASSERT_TRUE(sealed.ok()) << sealed.status().message();
  EXPECT_EQ("xn0_" + sealed->id.text, small::kIndex1Id);
  EXPECT_EQ(sealed->data.size(), u->stored_size(plain.size()));
  auto back = u->open_blob(BlobId("xn7_" + sealed->id.text), sealed->data);
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(hex_encode(*back), small::kIndex1Plain);
  auto session = u->seal_blob("s", "s3035f716e3c5b0d9124", as_bytes(small::kSessionJson));
  EXPECT_EQ(session->id.text, small::kSessionId);
  auto bare = u->seal_blob("m", "", as_bytes("{}"));
  EXPECT_EQ(bare->id.text.size(), 33u);
  EXPECT_TRUE(u->open_blob(bare->id, bare->data).ok());
}

TEST(UnitCrypto, EveryHashLengthAndOverheadComesBack) {
  for (const char* hash : {"BLAKE2B-256-128", "HMAC-SHA224", "BLAKE3-256"}) {
    for (const int ecc : {0, 2, 10}) {
      const auto u = make(hash, ecc);
      EXPECT_EQ(u->has_ecc(), ecc > 0);
      for (const std::size_t size : {0u, 1u, 100u, 5000u, 100000u}) {
        const Bytes plain(size, 0x5a);
        auto sealed = u->seal_blob("xn3_", "s01-c1", plain);
        ASSERT_TRUE(sealed.ok()) << sealed.status().message();
        EXPECT_EQ(sealed->data.size(), u->stored_size(size));
        std::size_t repaired = 9;
        auto back = u->open_blob(sealed->id, sealed->data, &repaired);
        ASSERT_TRUE(back.ok()) << back.status().message();
        EXPECT_EQ(back->size(), size);
        EXPECT_EQ(repaired, 0u);
      }
    }
  }
}

TEST(UnitCrypto, DamageIsCorruptOrRepaired) {
  const Bytes plain(1000, 1);
  const auto bare = make();
  auto sealed = bare->seal_blob("n", "", plain);
  sealed->data[500] ^= 1;
  EXPECT_EQ(bare->open_blob(sealed->id, sealed->data).code(), Code::corrupt);
  EXPECT_EQ(bare->open_blob(sealed->id, {}).code(), Code::corrupt);
  const auto ecc = make("BLAKE2B-256-128", 10);
  auto protected_blob = ecc->seal_blob("n", "", plain);
  protected_blob->data[500] ^= 1;
  std::size_t repaired = 0;
  auto back = ecc->open_blob(protected_blob->id, protected_blob->data, &repaired);
  ASSERT_TRUE(back.ok()) << back.status().message();
  EXPECT_EQ(back->size(), plain.size());
  EXPECT_EQ(repaired, 1u);
}

TEST(UnitCrypto, NamesWithoutAHashAreCorrupt) {
  const auto u = make();
  for (const char* name : {"", "n", "xn0_garbage", "n00-0123456789abcdef0123456789abcdef",
                           "nzz112233445566778899aabbccddeeff", "-s0-c1"}) {
    EXPECT_EQ(u->open_blob(BlobId(name), Bytes(60)).code(), Code::corrupt) << name;
  }
}

TEST(UnitCrypto, RefusesUnknownAlgorithms) {
  const auto code = [](auto change) {
    Parameters p = parameters();
    change(p);
    return UnitCrypto::create(p).code();
  };
  EXPECT_EQ(code([](Parameters& p) { p.hash = "TESTONLY-MD5"; }), Code::unsupported);
  EXPECT_EQ(code([](Parameters& p) { p.encryption = "NONE"; }), Code::unsupported);
  EXPECT_EQ(code([](Parameters& p) {
              p.ecc = "OTHER";
              p.ecc_overhead_percent = 2;
            }),
            Code::unsupported);
  EXPECT_EQ(code([](Parameters& p) { p.ecc = "OTHER"; }), Code::ok);  // off without overhead
}

}  // namespace
}  // namespace cairn::format
