// OpenSSH's server with keys of its own, for the user who runs the test.
#pragma once

#include <gtest/gtest.h>
#include <pwd.h>

#include <csignal>

#include "base/json.h"
#include "tests/support/server_process.h"

namespace cairn::test {

class SshServer {
 public:
  // What the machine lacks, "" when nothing.
  static std::string missing() {
    return find_program("sshd").empty() || find_program("ssh-keygen").empty() ? "openssh-server is not installed" : "";
  }

  SshServer() {
    ::signal(SIGPIPE, SIG_IGN);
    dir_ = sys::TempDir::make().value();
    make_key(host_key());
    make_key(key_file());
    (void)sys::make_directories("/run/sshd", 0755).ok();
    write("authorized", std::string(sys::read_file(key_file() + ".pub", 1 << 16)->text()));
    write("known_hosts", known_hosts_line(host_key() + ".pub"));
    write("sshd_config",
          fmt::format("Port {}\nListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\n"
                      "StrictModes no\nUsePAM no\nPermitRootLogin yes\nPasswordAuthentication no\nLogLevel QUIET\n"
                      "MaxStartups 100\nSubsystem sftp internal-sftp\n",
                      port_, host_key(), path("authorized")));
    start();
  }

  void start() {
    auto server = ServerProcess::start({find_program("sshd"), "-D", "-e", "-f", path("sshd_config")}, port_);
    EXPECT_TRUE(server.ok()) << server.status().message();
    if (server.ok()) {
      server_.emplace(std::move(server).value());
    }
  }
  // The listener alone: connections live on in processes of their own.
  void stop() { server_.reset(); }
  // Ends those too.
  void cut_connections() {
    sys::ProcessOptions options;
    options.argv = {"/usr/bin/pkill", "-9", "-P", std::to_string(server_->pid())};
    (void)sys::run_process(options, {}).ok();
  }

  Json config(const std::string& root) const {
    return Json::object({{"path", root},
                         {"host", "127.0.0.1"},
                         {"port", port_},
                         {"username", user()},
                         {"password", ""},
                         {"keyfile", key_file()},
                         {"knownHostsFile", path("known_hosts")},
                         {"externalSSH", false},
                         {"dirShards", Json()}});
  }
  Json external_config(const std::string& root) const {
    return Json::object({{"path", root},
                         {"host", "127.0.0.1"},
                         {"port", 22},
                         {"username", user()},
                         {"password", ""},
                         {"externalSSH", true},
                         {"sshCommand", "ssh"},
                         {"sshArguments", fmt::format("-F none -o BatchMode=yes -p {} -i {} -o UserKnownHostsFile={}",
                                                      port_, key_file(), path("known_hosts"))},
                         {"dirShards", Json()}});
  }
  std::string user() const { return ::getpwuid(::geteuid())->pw_name; }
  std::string key_file() const { return path("client_key"); }
  std::string host_key() const { return path("host_key"); }
  std::string path(const std::string& name) const { return dir_.path() + "/" + name; }
  int port() const { return port_; }
  std::string known_hosts_line(const std::string& public_key) const {
    return fmt::format("[127.0.0.1]:{} {}", port_, sys::read_file(public_key, 1 << 16)->text());
  }
  void make_key(const std::string& file) const {
    sys::ProcessOptions options;
    options.argv = {find_program("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f", file};
    const auto made = sys::run_process(options, {});
    EXPECT_TRUE(made.ok() && made->ok());
  }

 private:
  void write(const std::string& name, const std::string& text) const {
    EXPECT_TRUE(sys::write_file_atomic(path(name), as_bytes(text), 0600).ok());
  }
  sys::TempDir dir_;
  const int port_ = free_port();
  std::optional<ServerProcess> server_;
};

}  // namespace cairn::test
