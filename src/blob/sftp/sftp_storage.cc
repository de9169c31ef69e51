#include "blob/sftp/sftp_storage.h"

#include "blob/sftp/sftp_tree.h"
#include "blob/tree_storage.h"

namespace cairn::blob {
namespace {

Result<SftpTreeOptions> parse(const Json& config) {
  SftpTreeOptions options;
  options.path = config["path"].as_string();
  SshOptions& ssh = options.ssh;
  ssh.host = config["host"].as_string();
  ssh.port = static_cast<int>(config["port"].as_int(22));
  ssh.username = config["username"].as_string();
  ssh.password = config["password"].as_string();
  ssh.key_file = config["keyfile"].as_string();
  ssh.key_data = config["keyData"].as_string();
  ssh.known_hosts_file = config["knownHostsFile"].as_string();
  ssh.known_hosts_data = config["knownHostsData"].as_string();
  ssh.external = config["externalSSH"].as_bool();
  ssh.command = config["sshCommand"].as_string();
  ssh.arguments = config["sshArguments"].as_string();
  if (options.path.empty() || ssh.host.empty() || ssh.username.empty()) {
    return error(Code::invalid_argument, "sftp storage needs a path, a host and a username");
  }
  if (ssh.port <= 0 || ssh.port > 65535) {
    return error(Code::invalid_argument, "invalid port {}", ssh.port);
  }
  // The ssh program would take them for options.
  if (ssh.host.front() == '-' || ssh.username.front() == '-') {
    return error(Code::invalid_argument, "invalid host or username");
  }
  return options;
}

}  // namespace

Result<std::shared_ptr<Storage>> open_sftp(const Json& config, OpenOptions open, std::stop_token stop) {
  TRY_ASSIGN(SftpTreeOptions options, parse(config));
  TreeStorageOptions storage;
  storage.info = {"sftp", config};
  storage.display_name = fmt::format("SFTP {}@{}", options.ssh.username, options.ssh.host);
  return open_tree_storage(make_sftp_tree(std::move(options)), std::move(storage), open, std::move(stop));
}

}  // namespace cairn::blob
