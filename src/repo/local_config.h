// Client-side state: repository.config, the persisted password, tokens, default paths. docs/user/configuration.md
// (kopia-format §13, kopia-interfaces §1.4)
#pragma once

#include <optional>
#include <string>

#include "base/json.h"
#include "blob/decorators.h"
#include "blob/storage.h"
#include "content/cache.h"

namespace cairn::repo {

struct ClientOptions {
  std::string hostname, username;
  bool readonly = false;
  bool permissive_cache_loading = false;
  std::string description;
  bool enable_actions = false;
  Duration format_blob_cache_duration{};
  Json throttling_limits;  // null when absent
};

// `caching` object; seconds are floating point in the file.
struct CachingOptions {
  std::string cache_directory;  // as stored: relative to the config file's directory, or absolute
  std::int64_t max_cache_size = 0, content_cache_size_limit = 0;
  std::int64_t max_metadata_cache_size = 0, metadata_cache_size_limit = 0;
  Duration max_list_cache_duration{};
  Duration min_metadata_sweep_age{}, min_content_sweep_age{}, min_index_sweep_age{};
  bool empty() const { return max_cache_size == 0 && cache_directory.empty(); }
  Json to_json() const;
  static CachingOptions from_json(const Json& json);
};

struct LocalConfig {
  std::optional<blob::ConnectionInfo> storage;
  Json api_server;  // null for direct connections
  std::optional<CachingOptions> caching;
  ClientOptions client;
  Json raw;  // unknown keys survive a rewrite

  // Errors: not_found "repository is not connected. See https://kopia.io/docs/repositories/"; corrupt.
  static Result<LocalConfig> load(const std::string& path);
  // Atomically (temp + rename), directory 0700, file 0600.
  Status save(const std::string& path) const;
  Json to_json() const;
};

// $XDG_CONFIG_HOME/kopia or ~/.config/kopia; relative ".config/kopia" without HOME.
std::string default_config_directory();
// A bare name is looked up in the config directory; anything with a directory part is used as it is.
std::string resolve_config_path(const std::string& flag_value);
std::string default_cache_directory(ByteView unique_id, const std::string& config_path);
std::string default_log_directory();
// Lower-cased host name up to the first dot, "nohost" on failure.
std::string default_hostname();
// Name of the uid in passwd; else $USER if $HOME is set; else "nobody" and `problem` says why.
std::string default_username(std::string* problem);
// Absolute cache directory in force for a config (KOPIA_CACHE_DIRECTORY wins when absolute); "" = no disk cache.
std::string effective_cache_directory(const LocalConfig& config, const std::string& config_path);
content::CacheSettings cache_settings(const LocalConfig& config, const std::string& config_path);

// <config>.kopia-password, base64, 0600.
Status persist_password(const std::string& config_path, std::string_view password);
Result<std::string> load_persisted_password(const std::string& config_path);  // not_found when absent
Status delete_persisted_password(const std::string& config_path);

struct Token {
  blob::ConnectionInfo storage;
  std::string password;  // may be empty
};
std::string encode_token(const Token& token);
Result<Token> decode_token(std::string_view text);

}  // namespace cairn::repo
