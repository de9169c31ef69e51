#include "repo/local_config.h"

#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>

#include "base/units.h"
#include "crypto/hash.h"
#include "sys/file.h"

namespace cairn::repo {
namespace {

constexpr std::size_t kConfigSizeMax = std::size_t{16} << 20;

std::string env(const char* name) {
  const char* v = std::getenv(name);
  return v != nullptr ? v : "";
}

Json seconds_json(Duration d) {
  const double s = d.seconds();
  return s == std::floor(s) ? Json(static_cast<std::int64_t>(s)) : Json(s);
}

Duration seconds_from(const Json& j) { return {static_cast<std::int64_t>(std::llround(j.as_double() * 1e9))}; }

}  // namespace

Json CachingOptions::to_json() const {
  Json j = Json::object();
  j.set_omitempty("cacheDirectory", cache_directory);
  j.set_omitempty("maxCacheSize", max_cache_size);
  j.set_omitempty("contentCacheSizeLimitBytes", content_cache_size_limit);
  j.set_omitempty("maxMetadataCacheSize", max_metadata_cache_size);
  j.set_omitempty("metadataCacheSizeLimitBytes", metadata_cache_size_limit);
  j.set_omitempty("maxListCacheDuration", seconds_json(max_list_cache_duration));
  j.set_omitempty("minMetadataSweepAge", seconds_json(min_metadata_sweep_age));
  j.set_omitempty("minContentSweepAge", seconds_json(min_content_sweep_age));
  j.set_omitempty("minIndexSweepAge", seconds_json(min_index_sweep_age));
  return j;
}

CachingOptions CachingOptions::from_json(const Json& j) {
  CachingOptions c;
  c.cache_directory = j["cacheDirectory"].as_string();
  c.max_cache_size = j["maxCacheSize"].as_int();
  c.content_cache_size_limit = j["contentCacheSizeLimitBytes"].as_int();
  c.max_metadata_cache_size = j["maxMetadataCacheSize"].as_int();
  c.metadata_cache_size_limit = j["metadataCacheSizeLimitBytes"].as_int();
  c.max_list_cache_duration = seconds_from(j["maxListCacheDuration"]);
  c.min_metadata_sweep_age = seconds_from(j["minMetadataSweepAge"]);
  c.min_content_sweep_age = seconds_from(j["minContentSweepAge"]);
  c.min_index_sweep_age = seconds_from(j["minIndexSweepAge"]);
  return c;
}

Result<LocalConfig> LocalConfig::load(const std::string& path) {
  auto bytes = sys::read_file(path, kConfigSizeMax);
  if (bytes.code() == Code::not_found) {
    return error(Code::not_found, "repository is not connected. See https://kopia.io/docs/repositories/");
  }
  constexpr std::string_view kDecoding = "error decoding config json";
  TRY(bytes, "{}", bytes.code() == Code::permission_denied ? "error loading config file" : kDecoding);
  TRY_ASSIGN(Json json, Json::parse(bytes->text(), true), "{}: {}", kDecoding, path);
  if (!json.is_object()) {
    return error(Code::corrupt, "{}: {}: not a JSON object", kDecoding, path);
  }
  LocalConfig c;
  if (json["storage"].is_object()) {
    TRY_ASSIGN(c.storage, blob::ConnectionInfo::from_json(json["storage"]), "{}: {}", kDecoding, path);
  }
  c.api_server = json["apiServer"];
  if (json["caching"].is_object()) {
    c.caching = CachingOptions::from_json(json["caching"]);
  }
  c.client.hostname = json["hostname"].as_string();
  c.client.username = json["username"].as_string();
  c.client.readonly = json["readonly"].as_bool();
  c.client.permissive_cache_loading = json["permissiveCacheLoading"].as_bool();
  c.client.description = json["description"].as_string();
  c.client.enable_actions = json["enableActions"].as_bool();
  c.client.format_blob_cache_duration = {json["formatBlobCacheDuration"].as_int()};
  c.client.throttling_limits = json["throttlingLimits"];
  c.raw = std::move(json);
  if (!c.storage && c.api_server.is_null()) {
    return error(Code::corrupt, "storage not set in the configuration file");
  }
  return c;
}

Json LocalConfig::to_json() const {
  Json j = Json::object();
  if (!api_server.is_null()) {
    j.set("apiServer", api_server);
  }
  if (storage) {
    j.set("storage", storage->to_json());
  }
  if (caching) {
    j.set("caching", caching->to_json());
  }
  j.set("hostname", client.hostname);
  j.set("username", client.username);
  j.set_omitempty("readonly", client.readonly);
  j.set_omitempty("permissiveCacheLoading", client.permissive_cache_loading);
  j.set_omitempty("description", client.description);
  j.set("enableActions", client.enable_actions);
  j.set_omitempty("formatBlobCacheDuration", client.format_blob_cache_duration.ns);
  if (!client.throttling_limits.is_null()) {
    j.set("throttlingLimits", client.throttling_limits);
  }
  static constexpr std::string_view kKnown[] = {"apiServer",
                                                "storage",
                                                "caching",
                                                "hostname",
                                                "username",
                                                "readonly",
                                                "permissiveCacheLoading",
                                                "description",
                                                "enableActions",
                                                "formatBlobCacheDuration",
                                                "throttlingLimits"};
  for (const auto& [key, value] : raw.members()) {
    bool known = false;
    for (const std::string_view k : kKnown) {
      known = known || equals_ignore_case(k, key);
    }
    if (!known) {
      j.set(key, value);
    }
  }
  return j;
}

Status LocalConfig::save(const std::string& path) const {
  TRY(sys::make_directories(sys::parent_path(path), 0700), "unable to create config directory");
  const std::string text = to_json().dump(2);
  return sys::write_file_atomic(path, as_bytes(text), 0600).with_frame("unable to write config file");
}

std::string default_config_directory() {
  if (const std::string xdg = env("XDG_CONFIG_HOME"); !xdg.empty()) {
    return xdg + "/kopia";
  }
  const std::string home = env("HOME");
  return home.empty() ? ".config/kopia" : home + "/.config/kopia";
}

std::string resolve_config_path(const std::string& flag_value) {
  if (flag_value.find('/') == std::string::npos) {
    return default_config_directory() + "/" + flag_value;
  }
  return flag_value;
}

namespace {

std::string user_cache_directory() {
  if (const std::string xdg = env("XDG_CACHE_HOME"); !xdg.empty()) {
    return xdg + "/kopia";
  }
  const std::string home = env("HOME");
  // Without a home the temp directory serves: nothing in the cache is precious.
  return home.empty() ? sys::join_path(sys::temp_directory(), fmt::format("cairn-cache-{}", ::geteuid()))
                      : home + "/.cache/kopia";
}

}  // namespace

std::string default_cache_directory(ByteView unique_id, const std::string& config_path) {
  Buffer b = Buffer::copy_of(unique_id);
  b.append(config_path);
  return user_cache_directory() + "/" + hex_encode(crypto::sha256(b.view())).substr(0, 16);
}

std::string default_log_directory() {
  if (const std::string xdg = env("XDG_CACHE_HOME"); !xdg.empty()) {
    return xdg + "/kopia";
  }
  const std::string home = env("HOME");
  return home.empty() ? ".cache/kopia" : home + "/.cache/kopia";
}

std::string default_hostname() {
  char buffer[256] = {};
  if (::gethostname(buffer, sizeof buffer - 1) != 0 || buffer[0] == 0) {
    return "nohost";
  }
  const std::string name = to_lower(buffer);
  return name.substr(0, name.find('.'));
}

std::string default_username(std::string* problem) {
  char buffer[16384];
  passwd pw{};
  passwd* found = nullptr;
  if (::getpwuid_r(::getuid(), &pw, buffer, sizeof buffer, &found) == 0 && found != nullptr) {
    return found->pw_name;
  }
  if (const std::string user = env("USER"); !user.empty() && !env("HOME").empty()) {
    return user;
  }
  if (problem != nullptr) {
    *problem = fmt::format("Cannot determine current user: user: unknown userid {}", ::getuid());
  }
  return "nobody";
}

std::string effective_cache_directory(const LocalConfig& config, const std::string& config_path) {
  if (!config.caching) {
    return "";
  }
  if (const std::string override_dir = env("KOPIA_CACHE_DIRECTORY"); override_dir.starts_with('/')) {
    return override_dir;
  }
  const std::string& dir = config.caching->cache_directory;
  if (dir.empty() || config.caching->max_cache_size == 0) {
    return "";
  }
  if (dir.starts_with('/')) {
    return dir;
  }
  auto absolute = sys::absolute_path(sys::join_path(sys::parent_path(config_path), dir));
  return absolute.ok() ? *absolute : "";
}

content::CacheSettings cache_settings(const LocalConfig& config, const std::string& config_path) {
  content::CacheSettings s;
  s.directory = effective_cache_directory(config, config_path);
  if (!config.caching) {
    return s;
  }
  const CachingOptions& c = *config.caching;
  s.content_bytes_max = c.max_cache_size;
  s.content_bytes_limit = c.content_cache_size_limit;
  s.metadata_bytes_max = c.max_metadata_cache_size != 0 ? c.max_metadata_cache_size : c.max_cache_size;
  s.metadata_bytes_limit = c.metadata_cache_size_limit;
  s.list_duration = c.max_list_cache_duration;
  if (c.min_metadata_sweep_age.ns != 0) {
    s.metadata_min_sweep_age = c.min_metadata_sweep_age;
  }
  if (c.min_content_sweep_age.ns != 0) {
    s.content_min_sweep_age = c.min_content_sweep_age;
  }
  if (c.min_index_sweep_age.ns != 0) {
    s.index_min_sweep_age = c.min_index_sweep_age;
  }
  return s;
}

namespace {
std::string password_path(const std::string& config_path) { return config_path + ".kopia-password"; }
}  // namespace

Status persist_password(const std::string& config_path, std::string_view password) {
  const std::string text = base64_encode(as_bytes(password));
  return sys::write_file_atomic(password_path(config_path), as_bytes(text), 0600)
      .with_frame("unable to persist password");
}

Result<std::string> load_persisted_password(const std::string& config_path) {
  TRY_ASSIGN(const Buffer text, sys::read_file(password_path(config_path), 1 << 20));
  TRY_ASSIGN(const Bytes raw, base64_decode(trim(text.text())), "persisted password");
  return std::string(as_text(raw));
}

Status delete_persisted_password(const std::string& config_path) {
  return sys::remove_file(password_path(config_path));
}

std::string encode_token(const Token& token) {
  Json j = Json::object();
  j.set("version", "1");
  j.set("storage", token.storage.to_json());
  j.set_omitempty("password", token.password);
  return base64url_raw_encode(as_bytes(j.dump()));
}

Result<Token> decode_token(std::string_view text) {
  const auto raw = base64url_raw_decode(trim(text));
  const auto parsed = raw.ok() ? Json::parse(as_text(*raw)) : Result<Json>(raw.status());
  if (!parsed.ok()) {
    return error(Code::invalid_argument, "unable to decode token");  // no more words: it may hold a password
  }
  const Json& j = *parsed;
  if (j["version"].as_string() != "1") {
    return error(Code::unsupported, "unsupported token version");
  }
  Token t;
  TRY_ASSIGN(t.storage, blob::ConnectionInfo::from_json(j["storage"]), "unable to decode token");
  t.password = j["password"].as_string();
  return t;
}

}  // namespace cairn::repo
