#include "format/unit_crypto.h"

#include "crypto/kdf.h"

namespace cairn::format {
namespace {

constexpr std::size_t kSecretSize = 32;
constexpr std::size_t kIvHexDigits = 32;

// The iv of a blob-level unit: the 32 hex digits before the first dash of the name.
Result<Bytes> iv_of_name(const BlobId& id) {
  std::string_view name = id.text;
  name = name.substr(0, name.find('-'));
  if (name.size() < kIvHexDigits) {
    return error(Code::corrupt, "blob id too short: {}", id.text);
  }
  auto iv = hex_decode(name.substr(name.size() - kIvHexDigits));
  if (!iv.ok()) {
    return error(Code::corrupt, "blob id without a hash: {}", id.text);
  }
  return iv;
}

}  // namespace

Result<std::unique_ptr<UnitCrypto>> UnitCrypto::create(const Parameters& p) {
  auto u = std::make_unique<UnitCrypto>();
  TRY_ASSIGN(u->hasher_, crypto::Hasher::create(p.hash, p.secret.view()));
  const SecretBytes secret = crypto::hkdf_sha256(p.master_key.view(), as_bytes("encryption"), {}, kSecretSize);
  TRY_ASSIGN(u->encryptor_, crypto::Encryptor::create(p.encryption, secret.view()));
  if (p.ecc_enabled()) {
    if (p.ecc != crypto::kEccName) {
      return error(Code::unsupported, "unsupported error correction algorithm \"{}\"", p.ecc);
    }
    TRY_ASSIGN(u->ecc_, crypto::Ecc::create(p.ecc_overhead_percent));
  }
  return u;
}

std::size_t UnitCrypto::stored_size(std::size_t plain) const {
  const std::size_t sealed = plain + encryptor_->overhead();
  return ecc_ ? ecc_->encoded_size(sealed) : sealed;
}

Result<Buffer> UnitCrypto::seal(ByteView iv, ByteView plaintext) const {
  const crypto::Encryptor& encryptor = *encryptor_;
  TRY_ASSIGN(Buffer sealed, encryptor.seal(iv, plaintext));
  if (!ecc_) {
    return sealed;
  }
  return ecc_->encode(sealed);
}

Result<Buffer> UnitCrypto::open(ByteView iv, ByteView stored, std::size_t* repaired) const {
  const crypto::Encryptor& encryptor = *encryptor_;
  if (repaired != nullptr) {
    *repaired = 0;
  }
  if (!ecc_) {
    return encryptor.open(iv, stored);
  }
  TRY_ASSIGN(const crypto::Ecc::Decoded decoded, ecc_->decode(stored));
  if (repaired != nullptr) {
    *repaired = decoded.shards_repaired;
  }
  return encryptor.open(iv, decoded.data);
}

Result<UnitCrypto::SealedBlob> UnitCrypto::seal_blob(std::string_view prefix, std::string_view suffix,
                                                     ByteView plaintext) const {
  HashValue hash;
  hasher_->hash(plaintext, hash);
  SealedBlob out;
  out.id.text = std::string(prefix) + hex_encode(hash.view());
  if (!suffix.empty()) {
    out.id.text += '-';
    out.id.text += suffix;
  }
  TRY_ASSIGN(const Bytes iv, iv_of_name(out.id));
  TRY_ASSIGN(out.data, seal(iv, plaintext));
  // Nothing leaves the process that was not read back: these blobs are small and everything depends on them.
  TRY_ASSIGN(const Buffer back, open(iv, out.data), "verifying {}", out.id.text);
  if (back.text() != as_text(plaintext)) {
    return error(Code::internal, "verifying {}: encrypted data does not decrypt to itself", out.id.text);
  }
  return out;
}

Result<Buffer> UnitCrypto::open_blob(const BlobId& id, ByteView stored, std::size_t* repaired) const {
  TRY_ASSIGN(const Bytes iv, iv_of_name(id));
  return open(iv, stored, repaired);
}

}  // namespace cairn::format
