#include "auth/users.h"

#include <algorithm>

#include "base/random.h"
#include "crypto/kdf.h"

namespace cairn::auth {
namespace {

constexpr std::size_t kSaltSize = 32, kKeySize = 32;
constexpr std::string_view kType = "user";

Result<std::string_view> algorithm_of(int version) {
  switch (version) {
    case 0:
    case kScryptVersion:
      return std::string_view("scrypt-65536-8-1");
    case kPbkdf2Version:
      return std::string_view("pbkdf2-sha256-600000");
    default:
      return error(Code::unsupported, "unsupported password hash version {}", version);
  }
}

manifest::Labels labels_of(const std::string& username) {
  return {{"type", std::string(kType)}, {"username", username}};
}

// Where Go's decoder stops: the first byte that does not belong there, else the group that is not complete.
std::size_t base64_problem_at(std::string_view text) {
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";
  const std::size_t bad = text.find_first_not_of(kAlphabet);
  return bad != std::string_view::npos ? bad : text.size() - text.size() % 4;
}

}  // namespace

Json UserProfile::to_json() const {
  Json json = Json::object({{"username", username}});
  json.set_omitempty("passwordHashVersion", password_hash_version);
  json.set("passwordHash", password_hash.empty() ? Json() : Json(base64_encode(password_hash)));
  return json;
}

Result<UserProfile> UserProfile::from_json(const Json& json) {
  UserProfile user;
  user.username = json["username"].as_string();
  user.password_hash_version = static_cast<int>(json["passwordHashVersion"].as_int());
  TRY_ASSIGN(user.password_hash, base64_decode(json["passwordHash"].as_string()), "password hash of {}", user.username);
  return user;
}

Status UserProfile::set_password(std::string_view password, int version) {
  TRY_ASSIGN(const std::string_view algorithm, algorithm_of(version));
  Bytes salt(kSaltSize);
  random_bytes(salt);
  TRY_ASSIGN(const SecretBytes key, crypto::derive_from_password(algorithm, password, salt));
  password_hash_version = version;
  password_hash = std::move(salt);
  password_hash.insert(password_hash.end(), key.view().begin(), key.view().end());
  return {};
}

Status UserProfile::set_password_hash(std::string_view text) {
  const auto decoded = base64_decode(text);
  if (!decoded.ok() || text.size() % 4 != 0) {
    return error(Code::invalid_argument, "decoding password hash: illegal base64 data at input byte {}",
                 base64_problem_at(text));
  }
  TRY_ASSIGN(const Json json, Json::parse(as_text(*decoded)), "unmarshaling password hash");
  TRY_ASSIGN(UserProfile parsed, from_json(json), "unmarshaling password hash");
  TRY(algorithm_of(parsed.password_hash_version));
  if (parsed.password_hash.size() != kSaltSize + kKeySize) {
    return error(Code::invalid_argument, "invalid hash length ({}), expected {}", parsed.password_hash.size(),
                 kSaltSize + kKeySize);
  }
  password_hash_version = parsed.password_hash_version;
  password_hash = std::move(parsed.password_hash);
  return {};
}

std::string UserProfile::hash_text() const {
  const std::string json =
      Json::object({{"passwordHashVersion", password_hash_version}, {"passwordHash", base64_encode(password_hash)}})
          .dump();
  return base64_encode(as_bytes(json));
}

bool is_valid_username(std::string_view name) {
  const std::size_t at = name.find('@');
  if (at == std::string_view::npos || at == 0 || at + 1 == name.size()) {
    return false;
  }
  constexpr std::string_view kAllowed = "abcdefghijklmnopqrstuvwxyz0123456789-_.";
  return name.substr(0, at).find_first_not_of(kAllowed) == std::string_view::npos &&
         name.substr(at + 1).find_first_not_of(kAllowed) == std::string_view::npos;
}

Result<std::vector<UserProfile>> list_users(manifest::ManifestManager& manifests, std::stop_token stop) {
  TRY_ASSIGN(const auto found, manifests.find_with_payload({{"type", std::string(kType)}}, stop),
             "error listing user manifests");
  std::map<std::string, UserProfile> latest;  // found is in order of time
  for (const manifest::Manifest& m : found) {
    TRY_ASSIGN(UserProfile user, UserProfile::from_json(m.payload), "error loading user manifest {}", m.metadata.id);
    latest.insert_or_assign(user.username, std::move(user));
  }
  std::vector<UserProfile> out;
  for (auto& [name, user] : latest) {
    out.push_back(std::move(user));
  }
  return out;
}

Result<UserProfile> find_user(manifest::ManifestManager& manifests, const std::string& username, std::stop_token stop) {
  TRY_ASSIGN(const auto found, manifests.find_with_payload(labels_of(username), stop), "error looking for user");
  if (found.empty()) {
    return error(Code::not_found, "user not found");
  }
  return UserProfile::from_json(found.back().payload);
}

Status save_user(manifest::ManifestManager& manifests, const UserProfile& user, std::stop_token stop) {
  if (!is_valid_username(user.username)) {
    return error(Code::invalid_argument, "username must be specified as lowercase 'user@hostname'");
  }
  return manifests.replace(labels_of(user.username), user.to_json(), stop)
      .status()
      .with_frame("error writing user profile");
}

Status delete_user(manifest::ManifestManager& manifests, const std::string& username, std::stop_token stop) {
  TRY_ASSIGN(const auto found, manifests.find(labels_of(username), stop), "error looking for user");
  for (const manifest::ManifestMetadata& m : found) {
    TRY(manifests.remove(m.id, stop), "error deleting user profile {}", username);
  }
  return {};
}

bool check_password(const UserProfile* user, std::string_view password) {
  const Bytes dummy(kSaltSize + kKeySize, Byte{0xff});
  const bool usable = user != nullptr && user->password_hash.size() == kSaltSize + kKeySize &&
                      algorithm_of(user->password_hash_version).ok();
  const Bytes& hash = usable ? user->password_hash : dummy;
  const auto algorithm = algorithm_of(usable ? user->password_hash_version : kScryptVersion);
  const auto key = crypto::derive_from_password(*algorithm, password, ByteView(hash).first(kSaltSize));
  if (!key.ok()) {
    return false;
  }
  return crypto::constant_time_equal(key->view(), ByteView(hash).subspan(kSaltSize)) && usable;
}

}  // namespace cairn::auth
