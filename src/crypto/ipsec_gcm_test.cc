#include "crypto/ipsec_gcm.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "crypto/aead.h"
#include "tests/support/gen.h"

namespace cairn::crypto {
namespace {

// The bare functions use OpenSSL wherever the CPU does not gain from the other library, so this compares the two.
TEST(IpsecGcm, AgreesWithOpenSsl) {
  if (!IpsecGcm::available(IpsecUse::always)) {
    GTEST_SKIP() << "the library is not installed";
  }
  IpsecGcm gcm;
  const Bytes key = test::gen_rand(1, 32);
  const Bytes data = test::gen_rand(2, 70000);
  for (const std::size_t size : {0, 1, 15, 16, 17, 255, 256, 257, 1000, 4096, 65536, 70000}) {
    for (const std::size_t aad_size : {0, 1, 16, 32, 33}) {
      const Bytes aad = test::gen_rand(3, aad_size);
      const Bytes nonce = test::gen_rand(size + aad_size, kNonceSize);
      auto expected = aes256gcm_seal(key, nonce, ByteView(data).first(size), aad);
      ASSERT_TRUE(expected.ok());
      const ByteView sealed = expected->view().subspan(kNonceSize);
      for (const std::size_t cut :
           {std::size_t{1}, std::size_t{13}, std::size_t{16}, std::size_t{1000}, std::size_t{100000}}) {
        if (size / cut > 5000) {
          continue;
        }
        Bytes out(size + kTagSize);
        ASSERT_TRUE(gcm.start(true, key.data(), nonce.data(), aad));
        for (std::size_t at = 0; at < size; at += cut) {
          gcm.update(data.data() + at, std::min(cut, size - at), out.data() + at);
        }
        ASSERT_TRUE(gcm.finish_seal(out.data() + size));
        ASSERT_TRUE(std::equal(out.begin(), out.end(), sealed.begin(), sealed.end()))
            << size << " " << aad_size << " " << cut;

        Bytes back(size);
        ASSERT_TRUE(gcm.start(false, key.data(), nonce.data(), aad));
        for (std::size_t at = 0; at < size; at += cut) {
          gcm.update(out.data() + at, std::min(cut, size - at), back.data() + at);
        }
        ASSERT_TRUE(gcm.finish_open(out.data() + size));
        ASSERT_TRUE(std::equal(back.begin(), back.end(), data.begin()));
        out.back() ^= 1;
        gcm.start(false, key.data(), nonce.data(), aad);
        gcm.update(out.data(), size, back.data());
        ASSERT_FALSE(gcm.finish_open(out.data() + size));
      }
    }
  }
}

}  // namespace
}  // namespace cairn::crypto
