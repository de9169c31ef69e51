// AWS Signature Version 4, as S3 and its likes want it.
#pragma once

#include <mutex>
#include <string>

#include "net/http.h"

namespace cairn::net {

inline constexpr std::string_view kUnsignedPayload = "UNSIGNED-PAYLOAD";

struct SigV4Credentials {
  std::string access_key, secret_key;
  std::string session_token;  // may be empty
};

// Thread-safe; the key of a day is derived once.
class SigV4Signer {
 public:
  SigV4Signer(SigV4Credentials credentials, std::string service);
  ~SigV4Signer();
  // Adds X-Amz-Date, X-Amz-Content-Sha256 (unless payload_hash is empty), X-Amz-Security-Token and Authorization over
  // all headers set so far, the path, the query and `payload_hash` (lower-case hex, or kUnsignedPayload; empty: that of
  // an empty body). Path and query of the URL must be percent-encoded already. Errors: invalid_argument (URL).
  Status sign(HttpRequest& request, std::string_view region, std::string_view payload_hash, Timestamp now) const;

 private:
  std::array<Byte, 32> key_for(std::string_view day, std::string_view region) const;
  SigV4Credentials credentials_;
  const std::string service_;
  mutable std::mutex mutex_;
  mutable std::string cached_scope_;
  mutable std::array<Byte, 32> cached_key_{};
};

}  // namespace cairn::net
