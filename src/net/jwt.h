// JSON web tokens with RSA signatures (RFC 7519, RS256), as service accounts sign them.
#pragma once

#include "base/json.h"

namespace cairn::net {

// Errors: invalid_argument (not an RSA key in PEM). The key is in no message.
Result<std::string> sign_jwt(const Json& claims, const std::string& key_id, const std::string& private_key_pem);

}  // namespace cairn::net
