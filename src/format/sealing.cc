#include "format/sealing.h"

#include "base/random.h"
#include "crypto/aead.h"
#include "crypto/kdf.h"

namespace cairn::format {
namespace {

constexpr std::size_t kDerivedSize = 32;

SecretBytes derive(ByteView format_key, ByteView unique_id, std::string_view info) {
  return crypto::hkdf_sha256(format_key, unique_id, as_bytes(info), kDerivedSize);
}

}  // namespace

Result<Buffer> seal_with_format_key(ByteView format_key, ByteView unique_id, ByteView plaintext) {
  std::array<Byte, crypto::kNonceSize> nonce;
  random_bytes(nonce);
  return crypto::aes256gcm_seal(derive(format_key, unique_id, "AES").view(), nonce, plaintext,
                                derive(format_key, unique_id, "CHECKSUM").view());
}

Result<SecretBytes> open_with_format_key(ByteView format_key, ByteView unique_id, ByteView sealed) {
  TRY_ASSIGN(Buffer plaintext, crypto::aes256gcm_open(derive(format_key, unique_id, "AES").view(), sealed,
                                                      derive(format_key, unique_id, "CHECKSUM").view()));
  SecretBytes out(plaintext.view());
  wipe_bytes(plaintext.mut());
  return out;
}

void wipe_bytes(MutByteView bytes) noexcept {
  volatile Byte* p = bytes.data();
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    p[i] = 0;
  }
}

}  // namespace cairn::format
