#include "cli/providers/provider_table.h"
#include "sys/file.h"

namespace cairn::cli {
namespace {

using enum ValueType;

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

// With --embed-credentials the contents of the file are stored instead of its path.
Result<Json> credentials_file(const ParsedCommand& command, bool) {
  const std::string& path = command.text("credentials-file");
  if (path.empty() || command.boolean("embed-credentials")) {
    return Json("");
  }
  TRY_ASSIGN(std::string absolute, sys::absolute_path(path));
  return Json(std::move(absolute));
}

Result<Json> credentials(const ParsedCommand& command, bool) {
  const std::string& path = command.text("credentials-file");
  if (path.empty() || !command.boolean("embed-credentials")) {
    return Json();
  }
  TRY_ASSIGN(const Buffer text, sys::read_file(path, std::size_t{1} << 20),
             "unable to read service account credentials");
  auto json = Json::parse(text.text());
  if (!json.ok()) {
    return error(Code::invalid_argument, "{} is not a credentials file", path);
  }
  return json;
}

}  // namespace

Provider gcs_provider() {
  return {.word = "gcs",
          .type = "gcs",
          .help = "a Google Cloud Storage bucket",
          .flags = google_flags(false),
          .keys = {{"bucket", "bucket", kAlways},
                   {"prefix", "prefix"},
                   {"credentialsFile", "", kOmitEmpty, credentials_file},
                   {"credentials", "", kOmitNull, credentials},
                   {"readOnly", "read-only"},
                   {"pointInTime", "point-in-time", kOmitEmpty, point_in_time}},
          .supported = true};
}

Provider gdrive_provider() {
  return {.word = "gdrive",
          .type = "gdrive",
          .help = "a Google Drive folder",
          .flags = google_flags(true),
          .refusal =
              "Google Drive is not supported: rclone reaches it (repository "
              "create rclone --remote-path=REMOTE:FOLDER)"};
}

}  // namespace cairn::cli
