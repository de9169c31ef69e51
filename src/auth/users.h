// Users of a repository server: manifests of type "user". (kopia-model §12.1)
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/json.h"
#include "manifest/manifest_manager.h"

namespace cairn::auth {

inline constexpr int kScryptVersion = 1, kPbkdf2Version = 2;  // of password hashes; 0 reads as 1

struct UserProfile {
  std::string username;  // "user@host", lower case
  int password_hash_version = 0;
  Bytes password_hash;  // salt (32) ‖ key (32); empty: no password is right
  Json to_json() const;
  // Errors: corrupt.
  static Result<UserProfile> from_json(const Json& json);

  // With a fresh salt. Takes about 0.2 s. Errors: unsupported (version).
  Status set_password(std::string_view password, int version = kScryptVersion);
  // From the text that hash_text() gives. Errors: invalid_argument.
  Status set_password_hash(std::string_view text);
  // Base64 of a JSON object: hash and version, to be carried elsewhere.
  std::string hash_text() const;
};

// One '@', on both sides at least one of a-z 0-9 - _ . and nothing else.
bool is_valid_username(std::string_view name);

// Sorted by name; of several manifests of one user the latest counts.
Result<std::vector<UserProfile>> list_users(manifest::ManifestManager& manifests, std::stop_token stop);
// Errors: not_found "user not found"; corrupt, the storage's.
Result<UserProfile> find_user(manifest::ManifestManager& manifests, const std::string& username, std::stop_token stop);
// Replaces what is there; the caller flushes. Errors: invalid_argument (name).
Status save_user(manifest::ManifestManager& manifests, const UserProfile& user, std::stop_token stop);
// An unknown user is no error; the caller flushes.
Status delete_user(manifest::ManifestManager& manifests, const std::string& username, std::stop_token stop);

// In equal time for a right and a wrong password, and for an unknown user (null).
bool check_password(const UserProfile* user, std::string_view password);

}  // namespace cairn::auth
