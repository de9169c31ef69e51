// How the two format blobs are sealed with the password-derived key. docs/format/keys.md (kopia-format §3.3)
#pragma once

#include <array>

#include "base/bytes.h"

namespace cairn::format {

// nonce ‖ ciphertext ‖ tag. Errors: internal.
Result<Buffer> seal_with_format_key(ByteView format_key, ByteView unique_id, ByteView plaintext);
// Errors: corrupt when it does not authenticate.
Result<SecretBytes> open_with_format_key(ByteView format_key, ByteView unique_id, ByteView sealed);

// Overwrites key material in buffers that do not do so by themselves.
void wipe_bytes(MutByteView bytes) noexcept;

}  // namespace cairn::format
