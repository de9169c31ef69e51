#include "cli/providers.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/units.h"
#include "cli/format.h"
#include "cli/providers/provider_table.h"
#include "repo/local_config.h"

namespace cairn::cli {
namespace {

using enum ValueType;

// Every provider has these.
const std::vector<FlagSpec> kCommonFlags = {
    {.name = "max-download-speed", .type = real, .help = "Limit of the download speed, in bytes per second"},
    {.name = "max-upload-speed", .type = real, .help = "Limit of the upload speed, in bytes per second"},
};
constexpr ConfigKey kCommonKeys[] = {
    {"maxUploadSpeedBytesPerSecond", "max-upload-speed"},
    {"maxDownloadSpeedBytesPerSecond", "max-download-speed"},
};

Provider with_common(Provider provider) {
  append_flags(provider.flags, kCommonFlags);
  provider.keys.insert(provider.keys.end(), std::begin(kCommonKeys), std::end(kCommonKeys));
  return provider;
}

// The value of a flag in JSON of the flag's own type; durations as text.
Json flag_value(const ParsedCommand& command, const FlagSpec& flag) {
  if (flag.repeatable) {
    Json items = Json::array();
    for (const std::string& each : command.list(flag.name)) {
      items.push_back(each);
    }
    return items;
  }
  switch (flag.type) {
    case boolean:
    case boolean_text:
      return command.boolean(flag.name);
    case integer:
    case int64:
    case int32:
      return command.integer(flag.name);
    case real:
      return std::max(0.0, command.real(flag.name));
    case duration:
      return go_duration(command.duration(flag.name));
    default:
      return command.text(flag.name);
  }
}

Result<Json> value_of_key(const ParsedCommand& command, const Provider& provider, const ConfigKey& key, bool create) {
  if (key.convert != nullptr) {
    return key.convert(command, create);
  }
  if (key.flag.empty()) {
    return Json("");
  }
  const auto flag = std::find_if(provider.flags.begin(), provider.flags.end(),
                                 [&](const FlagSpec& each) { return each.name == key.flag; });
  CHECK(flag != provider.flags.end(), "provider {} has no flag {}", provider.word, key.flag);
  return flag_value(command, *flag);
}

Result<std::string> read_small(int fd) {
  constexpr std::size_t kSizeMax = 1u << 20;
  std::string text;
  char buffer[4096];
  for (;;) {
    const ssize_t n = ::read(fd, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) {
      continue;
    }
    if (n < 0) {
      return errno_status(errno, "read");
    }
    if (n == 0) {
      return text;
    }
    text.append(buffer, static_cast<std::size_t>(n));
    if (text.size() > kSizeMax) {
      return error(Code::invalid_argument, "token is too long");
    }
  }
}

Result<std::string> read_token_file(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    return errno_status(errno, "open " + path).with_frame("unable to open token file");
  }
  Result<std::string> text = read_small(fd);
  ::close(fd);
  TRY(text, "unable to read token file");
  return text;
}

}  // namespace

Result<Json> point_in_time(const ParsedCommand& command, bool) {
  const std::string& text = command.text("point-in-time");
  if (text.empty()) {
    return Json("");
  }
  TRY_ASSIGN(const Timestamp when, parse_rfc3339(text), "invalid point-in-time argument");
  return Json(rfc3339(when));
}

Result<Json> dir_shards(const ParsedCommand& command, bool create) {
  const bool old_format = create && command.integer("format-version") == 1;
  return command.boolean("flat") ? Json::array() : old_format ? Json::array({3, 3}) : Json();
}

const std::vector<Provider>& providers() {
  static const std::vector<Provider> all = [] {
    std::vector<Provider> list = {azure_provider(), b2_provider(),     filesystem_provider(),
                                  gcs_provider(),   gdrive_provider(), rclone_provider(),
                                  s3_provider(),    sftp_provider(),   webdav_provider()};
    std::transform(list.begin(), list.end(), list.begin(), with_common);
    return list;
  }();
  return all;
}

Result<blob::ConnectionInfo> provider_connection(const ParsedCommand& command, bool create) {
  const std::string word(last_word(command.command()->path));
  const auto provider =
      std::find_if(providers().begin(), providers().end(), [&](const Provider& each) { return each.word == word; });
  if (provider == providers().end() || !provider->supported) {
    return provider != providers().end() && !provider->refusal.empty()
               ? Status(Code::unsupported, provider->refusal)
               : error(Code::unsupported, "storage type '{}' is not supported in this version", word);
  }
  Json config = Json::object();
  for (const ConfigKey& key : provider->keys) {
    TRY_ASSIGN(Json value, value_of_key(command, *provider, key, create));
    const bool drop =
        key.presence == kOmitNull ? value.is_null() : key.presence == kOmitEmpty && value.is_empty_value();
    if (!drop) {
      config.set(key.key, std::move(value));
    }
  }
  return blob::ConnectionInfo{provider->type, std::move(config)};
}

std::vector<FlagSpec> from_config_flags(bool create) {
  std::vector<FlagSpec> flags;
  flags.push_back({.name = "file",
                   .type = text,
                   .help = create ? "Accepted and ignored" : "Configuration file whose storage is used",
                   .hidden = create});
  flags.push_back({.name = "token", .type = text, .help = "Token printed by 'repository status'"});
  flags.push_back({.name = "token-file", .type = text, .help = "File that holds the token"});
  flags.push_back({.name = "token-stdin", .help = "Read the token from standard input"});
  return flags;
}

Result<FromConfig> read_from_config(const ParsedCommand& command, bool create) {
  if (!create && !command.text("file").empty()) {
    const std::string& path = command.text("file");
    if (::access(path.c_str(), F_OK) != 0) {
      return errno_status(errno, "open " + path).with_frame("unable to open config: error loading config file");
    }
    TRY_ASSIGN(repo::LocalConfig config, repo::LocalConfig::load(path), "unable to open config");
    if (!config.storage) {
      return error(Code::invalid_argument, "connection file does not specify blob storage connection parameters");
    }
    return FromConfig{*config.storage, ""};
  }
  std::string token = command.text("token");
  if (const std::string& path = command.text("token-file"); token.empty() && !path.empty()) {
    TRY_ASSIGN(token, read_token_file(path));
  } else if (token.empty() && command.boolean("token-stdin")) {
    TRY_ASSIGN(token, read_small(STDIN_FILENO), "unable to read token");
  } else if (token.empty()) {
    return error(Code::invalid_argument, "one of {}--token-file, --token-stdin or --token must be provided",
                 create ? "" : "--file, ");
  }
  TRY_ASSIGN(repo::Token decoded, repo::decode_token(trim(token)), "invalid token");
  return FromConfig{decoded.storage, decoded.password};
}

}  // namespace cairn::cli
