#include "blob/rclone/rclone_storage.h"

#include "blob/dav_tree.h"
#include "blob/rclone/rclone_server.h"
#include "blob/tree_storage.h"

namespace cairn::blob {
namespace {

std::vector<std::string> texts(const Json& json) {
  std::vector<std::string> out;
  for (const Json& each : json.items()) {
    out.push_back(each.as_string());
  }
  return out;
}

Result<RcloneOptions> parse(const Json& config) {
  RcloneOptions options;
  options.remote_path = config["remotePath"].as_string();
  if (options.remote_path.empty() || options.remote_path.front() == '-') {
    return error(Code::invalid_argument, "invalid remote path \"{}\"", options.remote_path);
  }
  if (const std::string& program = config["rcloneExe"].as_string(); !program.empty()) {
    options.program = program;
  }
  options.arguments = texts(config["rcloneArgs"]);
  options.env = texts(config["rcloneEnv"]);
  options.config = config["embeddedConfig"].as_string();
  options.debug = config["debug"].as_bool();
  options.wait_for_transfers = !config["noWaitForTransfers"].as_bool();
  const Json& timeout = config["startupTimeout"];
  Duration wanted{timeout.as_int()};  // a bare number is in nanoseconds
  if (timeout.is_string()) {
    TRY_ASSIGN(wanted, parse_go_duration(timeout.as_string()), "invalid startupTimeout");
  }
  if (wanted.ns > 0) {
    options.startup_timeout = wanted;
  }
  return options;
}

}  // namespace

Result<std::shared_ptr<Storage>> open_rclone(const Json& config, OpenOptions open, std::stop_token stop) {
  TRY_ASSIGN(const RcloneOptions options, parse(config));
  TRY_ASSIGN(std::shared_ptr<RcloneServer> server, RcloneServer::start(options, stop));
  DavTreeOptions dav;
  dav.url = server->url();
  dav.username = server->username();
  dav.password = server->password();
  dav.certificate_fingerprint = server->fingerprint();
  // rclone writes files of this machine under their own name.
  dav.atomic_writes = config["atomicWrites"].as_bool() && !options.remote_path.starts_with('/');
  dav.refresh = [server](std::stop_token s) { return server->forget(std::move(s)); };
  TreeStorageOptions storage;
  storage.info = {"rclone", config};
  storage.display_name = "RClone " + options.remote_path;
  storage.over_http = true;
  TRY_ASSIGN(auto tree, make_dav_tree(std::move(dav)));
  return open_tree_storage(std::move(tree), std::move(storage), open, std::move(stop));
}

}  // namespace cairn::blob
