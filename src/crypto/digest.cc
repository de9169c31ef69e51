#include "crypto/digest.h"

#include <openssl/evp.h>

#include <memory>

namespace cairn::crypto {
namespace {

template <std::size_t kSize>
std::array<Byte, kSize> digest(const EVP_MD* kind, GatherView parts) {
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
  CHECK(context != nullptr && EVP_DigestInit_ex(context.get(), kind, nullptr) == 1, "digest cannot start");
  for (const ByteView part : parts) {
    EVP_DigestUpdate(context.get(), part.data(), part.size());
  }
  std::array<Byte, kSize> out;
  unsigned length = 0;
  EVP_DigestFinal_ex(context.get(), out.data(), &length);
  CHECK(length == kSize, "digest of {} bytes", length);
  return out;
}

}  // namespace

std::array<Byte, 16> md5(GatherView parts) { return digest<16>(EVP_md5(), parts); }
std::array<Byte, 20> sha1(GatherView parts) { return digest<20>(EVP_sha1(), parts); }
std::array<Byte, 32> sha256(GatherView parts) { return digest<32>(EVP_sha256(), parts); }

}  // namespace cairn::crypto
