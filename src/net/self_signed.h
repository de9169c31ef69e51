// A certificate for a server of our own that is trusted by its fingerprint alone.
#pragma once

#include <string>

#include "base/status.h"

namespace cairn::net {

struct SelfSigned {
  std::string certificate_pem, key_pem;  // ECDSA P-256
  std::string fingerprint;               // SHA-256 of the certificate, lower-case hex
};
// For `name` (also as its DNS name), valid from now for `days`. Errors: internal.
Result<SelfSigned> make_self_signed(const std::string& name, int days);

}  // namespace cairn::net
