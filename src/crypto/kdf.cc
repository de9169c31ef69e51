#include "crypto/kdf.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <limits>

#include "crypto/hmac_sha256.h"

namespace cairn::crypto {
namespace {

constexpr std::size_t kKeySize = 32;
constexpr std::size_t kSaltSizeMin = 16;
constexpr std::array<std::string_view, 2> kNames = {"pbkdf2-sha256-600000", "scrypt-65536-8-1"};

}  // namespace

std::span<const std::string_view> kdf_names() { return kNames; }

Result<SecretBytes> derive_from_password(std::string_view algorithm, std::string_view password, ByteView salt) {
  if (std::find(kNames.begin(), kNames.end(), algorithm) == kNames.end()) {
    return error(Code::unsupported, "unknown key derivation algorithm {:?}", algorithm);
  }
  if (salt.size() < kSaltSizeMin) {
    return error(Code::invalid_argument, "salt of {} bytes is shorter than {}", salt.size(), kSaltSizeMin);
  }
  if (password.size() > std::numeric_limits<int>::max() || salt.size() > std::numeric_limits<int>::max()) {
    return error(Code::invalid_argument, "password or salt too long");
  }
  SecretBytes key(kKeySize);
  // OpenSSL takes a null password for "none given" in one of the two functions; an empty text is never null.
  const char* text = password.data() != nullptr ? password.data() : "";
  bool done = false;
  if (algorithm == kDefaultKdf) {
    constexpr std::uint64_t kMemoryMax = std::uint64_t{128} << 20;  // N·r·128 = 64 MiB and a little
    done = EVP_PBE_scrypt(text, password.size(), salt.data(), salt.size(), 65536, 8, 1, kMemoryMax, key.mut().data(),
                          kKeySize) == 1;
  } else {
    done = PKCS5_PBKDF2_HMAC(text, static_cast<int>(password.size()), salt.data(), static_cast<int>(salt.size()),
                             600000, EVP_sha256(), static_cast<int>(kKeySize), key.mut().data()) == 1;
  }
  if (!done) {
    return error(Code::internal, "deriving the key with {} failed", algorithm);
  }
  return key;
}

SecretBytes hkdf_sha256(ByteView ikm, ByteView salt, ByteView info, std::size_t size) {
  CHECK(size <= 255 * SHA256_DIGEST_LENGTH);
  std::array<Byte, SHA256_DIGEST_LENGTH> prk;
  HmacSha256(salt).sign(ikm, prk.data());
  const HmacSha256 expand(prk);
  SecretBytes out(size);
  std::array<Byte, SHA256_DIGEST_LENGTH> block;
  std::size_t done = 0;
  for (Byte counter = 1; done < size; ++counter) {
    const std::array<ByteView, 3> parts = {counter == 1 ? ByteView() : ByteView(block), info, ByteView(&counter, 1)};
    expand.sign(parts, block.data());
    const std::size_t n = std::min(size - done, block.size());
    std::copy_n(block.begin(), n, out.mut().begin() + static_cast<std::ptrdiff_t>(done));
    done += n;
  }
  OPENSSL_cleanse(prk.data(), prk.size());
  OPENSSL_cleanse(block.data(), block.size());
  return out;
}

std::array<Byte, 32> hmac_sha256(ByteView key, ByteView message) {
  std::array<Byte, 32> out;
  HmacSha256(key).sign(message, out.data());
  return out;
}

bool constant_time_equal(ByteView a, ByteView b) {
  return a.size() == b.size() && (a.empty() || CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0);
}

}  // namespace cairn::crypto
