// Hashing, encryption and ECC of every stored unit (contents, index blobs, session markers). docs/format/encryption.md
#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "base/ids.h"
#include "crypto/aead.h"
#include "crypto/ecc.h"
#include "crypto/hash.h"
#include "format/repository_format.h"

namespace cairn::format {

// Immutable, thread-safe.
class UnitCrypto {
 public:
  static Result<std::unique_ptr<UnitCrypto>> create(const Parameters& p);

  const crypto::Hasher& hasher() const { return *hasher_; }
  const crypto::Encryptor& encryptor() const { return *encryptor_; }
  bool has_ecc() const { return ecc_.has_value(); }
  const std::optional<crypto::Ecc>& ecc() const { return ecc_; }

  // Stored size of `plain` bytes of (possibly compressed) plaintext.
  std::size_t stored_size(std::size_t plain) const;
  // encrypt, then ECC.
  Result<Buffer> seal(ByteView iv, ByteView plaintext) const;
  // ECC-decode, then decrypt. `repaired`, if given, counts corrected shards. Errors: corrupt.
  Result<Buffer> open(ByteView iv, ByteView stored, std::size_t* repaired = nullptr) const;

  // Blob-level units (kopia-format §5.4).
  struct SealedBlob {
    BlobId id;  // prefix ‖ hex(hash) [‖ "-" ‖ suffix]
    Buffer data;
  };
  Result<SealedBlob> seal_blob(std::string_view prefix, std::string_view suffix, ByteView plaintext) const;
  // iv from the 32 characters before the first '-' of the name. Errors: corrupt.
  Result<Buffer> open_blob(const BlobId& id, ByteView stored, std::size_t* repaired = nullptr) const;

 private:
  std::unique_ptr<crypto::Hasher> hasher_;
  std::unique_ptr<crypto::Encryptor> encryptor_;
  std::optional<crypto::Ecc> ecc_;
};

}  // namespace cairn::format
