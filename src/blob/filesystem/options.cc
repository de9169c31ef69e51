#include "blob/filesystem/filesystem_storage.h"

#include "blob/sharding.h"

namespace cairn::blob {
namespace {

constexpr std::string_view kOwnKeys[] = {"path", "fileMode", "dirMode", "uid", "gid", "dirShards", "listParallelism"};

}  // namespace

Result<FilesystemOptions> FilesystemOptions::from_json(const Json& config) {
  FilesystemOptions options;
  options.path = config["path"].as_string();
  options.file_mode = static_cast<mode_t>(config["fileMode"].as_int() & 07777);
  options.dir_mode = static_cast<mode_t>(config["dirMode"].as_int() & 07777);
  if (const Json& uid = config["uid"]; uid.is_int()) {
    options.uid = static_cast<uid_t>(uid.as_int());
  }
  if (const Json& gid = config["gid"]; gid.is_int()) {
    options.gid = static_cast<gid_t>(gid.as_int());
  }
  TRY_ASSIGN(options.dir_shards, parse_dir_shards(config["dirShards"]));
  options.list_parallelism = static_cast<int>(config["listParallelism"].as_int());
  options.extra = config;
  for (const std::string_view key : kOwnKeys) {
    options.extra.erase(key);
  }
  return options;
}

Json FilesystemOptions::to_json() const {
  Json json = Json::object();
  json.set("path", path);
  json.set_omitempty("fileMode", static_cast<std::int64_t>(file_mode));
  json.set_omitempty("dirMode", static_cast<std::int64_t>(dir_mode));
  if (uid) {
    json.set("uid", static_cast<std::int64_t>(*uid));
  }
  if (gid) {
    json.set("gid", static_cast<std::int64_t>(*gid));
  }
  Json shards;
  if (dir_shards) {
    shards = Json::array();
    for (const int size : *dir_shards) {
      shards.push_back(size);
    }
  }
  json.set("dirShards", std::move(shards));
  json.set_omitempty("listParallelism", list_parallelism);
  for (const auto& [key, value] : extra.members()) {
    json.set(key, value);
  }
  return json;
}

}  // namespace cairn::blob
