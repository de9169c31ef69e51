// Authenticated encryption of stored units. docs/format/encryption.md (kopia-format §5)
#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "base/bytes.h"

namespace cairn::crypto {

inline constexpr std::size_t kNonceSize = 12;
inline constexpr std::size_t kTagSize = 16;
inline constexpr std::size_t kAeadOverhead = kNonceSize + kTagSize;  // 28, both algorithms

// Bare AEAD with an explicit 32-byte key: AES-256-GCM. out = nonce ‖ ciphertext ‖ tag.
Result<Buffer> aes256gcm_seal(ByteView key, ByteView nonce, ByteView plaintext, ByteView aad);
Result<Buffer> aes256gcm_open(ByteView key, ByteView sealed, ByteView aad);  // corrupt when it does not authenticate

// The repository's per-item encryption: key = HMAC-SHA256(secret, iv), nonce random, AAD = iv.
// Immutable, thread-safe; contexts are kept per thread.
class Encryptor {
 public:
  virtual ~Encryptor() = default;
  // `secret` = HKDF(master key, salt "encryption", info ""), see kdf.h. Errors: unsupported.
  static Result<std::unique_ptr<Encryptor>> create(std::string_view name, ByteView secret);
  std::size_t overhead() const { return kAeadOverhead; }
  // Writes nonce ‖ ciphertext ‖ tag of the concatenated `plaintext` into the concatenated `out`, whose sizes must sum
  // to gather_size(plaintext) + overhead(). Pieces may be cut anywhere. Errors: internal.
  virtual Status seal(ByteView iv, GatherView plaintext, std::span<const MutByteView> out) const = 0;
  // Decrypts the concatenated `sealed` into the contiguous `out` (size = sealed − overhead).
  // Errors: corrupt when too short or not authentic (then `out` holds garbage).
  virtual Status open(ByteView iv, GatherView sealed, MutByteView out) const = 0;
  // Decrypts `sealed` block by block and compares with `expected`, holding no second copy of it.
  // Errors: corrupt (does not authenticate, or opens to something else).
  virtual Status check(ByteView iv, GatherView sealed, ByteView expected) const = 0;
  // Conveniences over the above.
  Result<Buffer> seal(ByteView iv, ByteView plaintext) const;
  Result<Buffer> open(ByteView iv, ByteView sealed) const;
  // Test hook: same with a given nonce.
  virtual Result<Buffer> seal_with_nonce(ByteView iv, ByteView plaintext, ByteView nonce) const = 0;
};

inline constexpr std::string_view kDefaultEncryption = "AES256-GCM-HMAC-SHA256";
std::span<const std::string_view> encryption_names();

}  // namespace cairn::crypto
