// HMAC-SHA256 with the key pads hashed once: one item costs two compressions less. Internal to crypto/.
#pragma once

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <array>
#include <cstring>

#include "base/bytes.h"

// SHA256_CTX is plain data that can be copied, where the EVP contexts allocate.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

namespace cairn::crypto {

class HmacSha256 {
 public:
  explicit HmacSha256(ByteView key, bool is_224 = false) : is_224_(is_224) {
    std::array<Byte, SHA256_CBLOCK> pad{};
    if (key.size() > pad.size()) {
      SHA256_CTX c;
      start(c);
      SHA256_Update(&c, key.data(), key.size());
      SHA256_Final(pad.data(), &c);
    } else if (!key.empty()) {
      std::memcpy(pad.data(), key.data(), key.size());
    }
    absorb(inner_, pad, 0x36);
    absorb(outer_, pad, 0x5c);
    OPENSSL_cleanse(pad.data(), pad.size());
  }
  HmacSha256(const HmacSha256&) = delete;
  HmacSha256& operator=(const HmacSha256&) = delete;
  ~HmacSha256() {
    OPENSSL_cleanse(&inner_, sizeof inner_);
    OPENSSL_cleanse(&outer_, sizeof outer_);
  }

  std::size_t size() const { return is_224_ ? SHA224_DIGEST_LENGTH : SHA256_DIGEST_LENGTH; }

  // Writes size() bytes.
  void sign(GatherView parts, Byte* out) const {
    SHA256_CTX c = inner_;
    for (const ByteView p : parts) {
      SHA256_Update(&c, p.data(), p.size());
    }
    Byte digest[SHA256_DIGEST_LENGTH];
    SHA256_Final(digest, &c);
    c = outer_;
    SHA256_Update(&c, digest, size());
    SHA256_Final(out, &c);
  }
  void sign(ByteView message, Byte* out) const { sign(GatherView(&message, 1), out); }

 private:
  void start(SHA256_CTX& c) const { is_224_ ? SHA224_Init(&c) : SHA256_Init(&c); }
  void absorb(SHA256_CTX& c, std::array<Byte, SHA256_CBLOCK> pad, Byte mask) const {
    for (Byte& b : pad) {
      b ^= mask;
    }
    start(c);
    SHA256_Update(&c, pad.data(), pad.size());
    OPENSSL_cleanse(pad.data(), pad.size());
  }

  bool is_224_;
  SHA256_CTX inner_;
  SHA256_CTX outer_;
};

}  // namespace cairn::crypto

#pragma GCC diagnostic pop
