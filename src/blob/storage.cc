#include "blob/storage.h"

#include <array>

#include "blob/azure/azure_storage.h"
#include "blob/b2/b2_storage.h"
#include "blob/filesystem/filesystem_storage.h"
#include "blob/gcs/gcs_storage.h"
#include "blob/rclone/rclone_storage.h"
#include "blob/s3/s3_storage.h"
#include "blob/sftp/sftp_storage.h"
#include "blob/webdav/webdav_storage.h"

namespace cairn::blob {
namespace {

using StorageResult = Result<std::shared_ptr<Storage>>;

StorageResult open_filesystem_config(const Json& config, OpenOptions options, std::stop_token stop) {
  TRY_ASSIGN(const FilesystemOptions parsed, FilesystemOptions::from_json(config));
  return open_filesystem(parsed, options, std::move(stop));
}

StorageResult open_s3_config(const Json& config, OpenOptions options, std::stop_token stop) {
  TRY_ASSIGN(const S3Options parsed, S3Options::from_json(config));
  return open_s3(parsed, options, std::move(stop));
}

struct StoreType {
  std::string_view name;
  StorageResult (*open)(const Json& config, OpenOptions options, std::stop_token stop);
};

// One row a store. A new store adds its row and its folder, nothing else.
constexpr std::array kStoreTypes = {
    StoreType{"azureBlob", open_azure},
    StoreType{"b2", open_b2},
    StoreType{"filesystem", open_filesystem_config},
    StoreType{"gcs", open_gcs},
    StoreType{"rclone", open_rclone},
    StoreType{"s3", open_s3_config},
    StoreType{"sftp", open_sftp},
    StoreType{"webdav", open_webdav},
};

}  // namespace

Json ConnectionInfo::to_json() const { return Json::object({{"type", type}, {"config", config}}); }

Result<ConnectionInfo> ConnectionInfo::from_json(const Json& json) {
  ConnectionInfo info;
  info.type = json["type"].as_string();
  if (info.type.empty()) {
    return error(Code::corrupt, "connection info has no storage type");
  }
  info.config = json["config"];
  if (!info.config.is_object()) {
    return error(Code::corrupt, "connection info of type {} has no configuration", info.type);
  }
  return info;
}

Status Storage::extend_retention(const BlobId&, const std::string&, Duration, std::stop_token) {
  return error(Code::unsupported, "blob-retention: unsupported by this storage");
}

Result<Capacity> Storage::capacity() { return error(Code::unsupported, "unable to determine capacity: not a volume"); }

Result<std::vector<BlobMetadata>> Storage::list_all(std::string_view prefix, std::stop_token stop) {
  std::vector<BlobMetadata> all;
  const auto collect = [&all](const BlobMetadata& blob) -> Status {
    all.push_back(blob);
    return {};
  };
  TRY(list(prefix, collect, std::move(stop)));
  return all;
}

Result<std::shared_ptr<Storage>> open_storage(const ConnectionInfo& info, OpenOptions options, std::stop_token stop) {
  for (const StoreType& type : kStoreTypes) {
    if (type.name == info.type) {
      return type.open(info.config, options, std::move(stop));
    }
  }
  return error(Code::unsupported, "storage type '{}' not registered", info.type);
}

}  // namespace cairn::blob
