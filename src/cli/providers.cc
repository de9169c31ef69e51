#include "cli/providers.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdlib>

#include "base/units.h"
#include "cli/format.h"
#include "repo/local_config.h"

namespace cairn::cli {
namespace {

using enum ValueType;

const FlagSpec kFlat = {.name = "flat", .help = "Keep all blobs in one directory"};
const FlagSpec kListParallelism = {
    .name = "list-parallelism", .type = integer, .help = "Parallel listings of directories", .hidden = true};
const FlagSpec kPointInTime = {
    .name = "point-in-time", .type = text, .help = "Show the storage as of this time (RFC 3339)"};

std::vector<FlagSpec> with_common(std::vector<FlagSpec> flags) {
  flags.push_back(
      {.name = "max-download-speed", .type = real, .help = "Limit of the download speed, in bytes per second"});
  flags.push_back({.name = "max-upload-speed", .type = real, .help = "Limit of the upload speed, in bytes per second"});
  return flags;
}

std::vector<FlagSpec> filesystem_flags() {
  return {{.name = "path", .type = text, .help = "Directory of the repository", .required = true},
          {.name = "owner-uid", .type = text, .help = "User id that owns new files"},
          {.name = "owner-gid", .type = text, .help = "Group id that owns new files"},
          {.name = "file-mode", .type = text, .default_value = "0600", .help = "Mode of new files, octal"},
          {.name = "dir-mode", .type = text, .default_value = "0700", .help = "Mode of new directories, octal"},
          kFlat,
          kListParallelism};
}

std::vector<FlagSpec> s3_flags() {
  return {
      {.name = "bucket", .type = text, .help = "Name of the bucket", .required = true},
      {.name = "endpoint", .type = text, .default_value = "s3.amazonaws.com", .help = "Host and port of the server"},
      {.name = "region", .type = text, .help = "Region of the bucket"},
      {.name = "access-key", .type = text, .env = "AWS_ACCESS_KEY_ID", .help = "Access key id", .required = true},
      {.name = "secret-access-key",
       .type = text,
       .env = "AWS_SECRET_ACCESS_KEY",
       .help = "Secret access key",
       .required = true},
      {.name = "session-token", .type = text, .env = "AWS_SESSION_TOKEN", .help = "Session token"},
      {.name = "prefix", .type = text, .help = "Prefix of all object names; for a directory it ends with a slash"},
      {.name = "disable-tls", .help = "Use plain HTTP"},
      {.name = "disable-tls-verification", .help = "Do not verify the server's certificate"},
      kPointInTime,
      {.name = "root-ca-pem-base64",
       .type = text,
       .env = "ROOT_CA_PEM_BASE64",
       .help = "Certificate authority of the server, PEM in base64"},
      {.name = "root-ca-pem-path", .type = text, .help = "File with the certificate authority of the server, PEM"},
  };
}

std::vector<FlagSpec> azure_flags() {
  return {
      {.name = "container", .type = text, .help = "Name of the container", .required = true},
      {.name = "storage-account",
       .type = text,
       .env = "AZURE_STORAGE_ACCOUNT",
       .help = "Storage account",
       .required = true},
      {.name = "storage-key", .type = text, .env = "AZURE_STORAGE_KEY", .help = "Key of the storage account"},
      {.name = "storage-domain", .type = text, .env = "AZURE_STORAGE_DOMAIN", .help = "Domain of the storage"},
      {.name = "sas-token", .type = text, .env = "AZURE_STORAGE_SAS_TOKEN", .help = "Shared access signature"},
      {.name = "prefix", .type = text, .help = "Prefix of all object names"},
      {.name = "tenant-id", .type = text, .env = "AZURE_TENANT_ID", .help = "Tenant of the service principal"},
      {.name = "client-id", .type = text, .env = "AZURE_CLIENT_ID", .help = "Client id of the service principal"},
      {.name = "client-secret", .type = text, .env = "AZURE_CLIENT_SECRET", .help = "Secret of the service principal"},
      {.name = "client-cert",
       .type = text,
       .env = "AZURE_CLIENT_CERTIFICATE",
       .help = "Certificate of the service principal"},
      {.name = "azure-federated-token-file",
       .type = text,
       .env = "AZURE_FEDERATED_TOKEN_FILE",
       .help = "File with a federated token"},
      kPointInTime,
  };
}

std::vector<FlagSpec> google_flags(bool drive) {
  std::vector<FlagSpec> flags;
  if (drive) {
    flags.push_back({.name = "folder-id", .type = text, .help = "Id of the folder", .required = true});
  } else {
    flags.push_back({.name = "bucket", .type = text, .help = "Name of the bucket", .required = true});
    flags.push_back({.name = "prefix", .type = text, .help = "Prefix of all object names"});
  }
  flags.push_back({.name = "read-only", .help = "Ask for read access only"});
  flags.push_back({.name = "credentials-file", .type = existing_file, .help = "File with the credentials"});
  flags.push_back({.name = "embed-credentials", .help = "Store the credentials in the configuration file"});
  if (!drive) {
    flags.push_back(kPointInTime);
  }
  return flags;
}

std::vector<FlagSpec> sftp_flags() {
  return {
      {.name = "path", .type = text, .help = "Directory of the repository on the server", .required = true},
      {.name = "host", .type = text, .help = "Host name of the server", .required = true},
      {.name = "port", .type = integer, .default_value = "22", .help = "Port of the server"},
      {.name = "username", .type = text, .help = "User name on the server", .required = true},
      {.name = "sftp-password", .type = text, .help = "Password on the server"},
      {.name = "keyfile", .type = text, .help = "File with the private key"},
      {.name = "key-data", .type = text, .help = "The private key itself"},
      {.name = "known-hosts", .type = text, .help = "File with the keys of known hosts"},
      {.name = "known-hosts-data", .type = text, .help = "The keys of known hosts themselves"},
      {.name = "embed-credentials", .help = "Store key and known hosts in the configuration file"},
      {.name = "external", .help = "Use the ssh program"},
      {.name = "ssh-command", .type = text, .default_value = "ssh", .help = "The ssh program"},
      {.name = "ssh-args", .type = text, .help = "Arguments of the ssh program"},
      kFlat,
      kListParallelism,
  };
}

std::vector<FlagSpec> webdav_flags() {
  return {{.name = "url", .type = text, .help = "URL of the directory", .required = true},
          kFlat,
          {.name = "webdav-username", .type = text, .env = "KOPIA_WEBDAV_USERNAME", .help = "User name on the server"},
          {.name = "webdav-password", .type = text, .env = "KOPIA_WEBDAV_PASSWORD", .help = "Password on the server"},
          kListParallelism,
          {.name = "atomic-writes", .help = "The server writes files atomically"}};
}

std::vector<FlagSpec> rclone_flags() {
  return {
      {.name = "remote-path", .type = text, .help = "Remote and path, as remote:path", .required = true},
      kFlat,
      {.name = "rclone-exe", .type = text, .default_value = "rclone", .help = "The rclone program"},
      {.name = "rclone-args", .type = text, .help = "Argument for rclone", .repeatable = true},
      {.name = "rclone-env", .type = text, .help = "Environment of rclone, as NAME=value", .repeatable = true},
      {.name = "rclone-config", .type = text, .help = "Configuration file of rclone", .hidden = true},
      {.name = "embed-rclone-config",
       .type = existing_file,
       .help = "Configuration of rclone to store in the connection"},
      {.name = "rclone-debug", .help = "Log what rclone prints", .hidden = true},
      {.name = "rclone-nowait-for-transfers", .help = "Do not wait for transfers at the end", .hidden = true},
      kListParallelism,
      {.name = "atomic-writes", .default_value = "true", .help = "The remote writes files atomically"},
      {.name = "rclone-startup-timeout",
       .type = duration,
       .default_value = "15s",
       .help = "Time rclone may take to start"},
  };
}

// Decimal; anything else counts as not given, as users of the original know it.
std::optional<std::int64_t> decimal(const std::string& text) {
  std::int64_t value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  return code == std::errc() && end == text.data() + text.size() && value >= 0 ? std::optional(value) : std::nullopt;
}

std::int64_t octal_or(const std::string& text, std::int64_t fallback) {
  std::int64_t value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value, 8);
  return code == std::errc() && end == text.data() + text.size() && value >= 0 ? value : fallback;
}

std::string expand_home(const std::string& path) {
  const char* home = std::getenv("HOME");
  return path.starts_with("~/") && home != nullptr ? home + path.substr(1) : path;
}

blob::ConnectionInfo filesystem_connection(const ParsedCommand& command, bool create) {
  Json config = Json::object();
  config.set("path", expand_home(command.text("path")));
  config.set("fileMode", octal_or(command.text("file-mode"), 0600));
  config.set("dirMode", octal_or(command.text("dir-mode"), 0700));
  if (const auto uid = decimal(command.text("owner-uid"))) {
    config.set("uid", *uid);
  }
  if (const auto gid = decimal(command.text("owner-gid"))) {
    config.set("gid", *gid);
  }
  // Format 1 repositories are sharded explicitly; newer ones leave it to the layout file.
  const bool old_format = create && command.integer("format-version") == 1;
  config.set("dirShards", command.boolean("flat") ? Json::array() : old_format ? Json::array({3, 3}) : Json());
  config.set_omitempty("listParallelism", command.integer("list-parallelism"));
  const auto add_speed = [&](const char* flag, const char* key) {
    const double speed = command.real(flag);
    if (speed > 0) {
      config.set(key, speed);
    }
  };
  add_speed("max-upload-speed", "maxUploadSpeedBytesPerSecond");
  add_speed("max-download-speed", "maxDownloadSpeedBytesPerSecond");
  return {"filesystem", std::move(config)};
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

const std::vector<Provider>& providers() {
  static const std::vector<Provider> all = {
      {"azure", "an Azure blob container", with_common(azure_flags())},
      {"b2", "a B2 bucket",
       with_common({{.name = "bucket", .type = text, .help = "Name of the bucket", .required = true},
                    {.name = "key-id", .type = text, .env = "B2_KEY_ID", .help = "Key id", .required = true},
                    {.name = "key", .type = text, .env = "B2_KEY", .help = "Secret key", .required = true},
                    {.name = "prefix", .type = text, .help = "Prefix of all object names"}})},
      {"filesystem", "a directory", with_common(filesystem_flags()), true},
      {"gcs", "a Google Cloud Storage bucket", with_common(google_flags(false))},
      {"gdrive", "a Google Drive folder", with_common(google_flags(true))},
      {"rclone", "a remote of rclone", with_common(rclone_flags())},
      {"s3", "an S3 bucket", with_common(s3_flags())},
      {"sftp", "a directory on an SFTP server", with_common(sftp_flags())},
      {"webdav", "a directory on a WebDAV server", with_common(webdav_flags())},
  };
  return all;
}

Result<blob::ConnectionInfo> provider_connection(const ParsedCommand& command, bool create) {
  const std::string word(last_word(command.command()->path));
  if (word != "filesystem") {
    return error(Code::unsupported, "storage type '{}' is not supported in this version", word);
  }
  return filesystem_connection(command, create);
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
