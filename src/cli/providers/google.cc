#include "cli/providers/provider_table.h"

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

}  // namespace

Provider gcs_provider() {
  return {.word = "gcs", .type = "gcs", .help = "a Google Cloud Storage bucket", .flags = google_flags(false)};
}

Provider gdrive_provider() {
  return {.word = "gdrive", .type = "gdrive", .help = "a Google Drive folder", .flags = google_flags(true)};
}

}  // namespace cairn::cli
