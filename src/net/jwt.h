// JSON web tokens with RSA signatures (RFC 7519, RS256), as service accounts sign them.
#pragma once

#include "base/json.h"

namespace cairn::net {

// Which key signed: its id, or the certificate's thumbprint ("" each: not said).
struct JwtKey {
  std::string id, thumbprint;
};
// Errors: invalid_argument (not an RSA key in PEM). The key is in no message.
Result<std::string> sign_jwt(const Json& claims, const JwtKey& key, const std::string& private_key_pem);

// SHA-1 of the first certificate in a PEM text, base64url, as the header x5t wants it. Errors: invalid_argument.
Result<std::string> certificate_thumbprint(const std::string& pem);

}  // namespace cairn::net
