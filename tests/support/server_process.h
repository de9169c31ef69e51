// Server programs for tests: on loopback, in the foreground, killed with the test.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "sys/process.h"

namespace cairn::test {

// Nobody listens on it now.
inline int free_port() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address);
  socklen_t size = sizeof address;
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  ::close(fd);
  return ntohs(address.sin_port);
}

inline bool port_answers(int port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const bool answers = ::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  ::close(fd);
  return answers;
}

class ServerProcess {
 public:
  // Waits until the port answers. An error says that the program ended or stayed silent for 20 seconds.
  static Result<ServerProcess> start(std::vector<std::string> argv, int port, std::vector<std::string> env = {}) {
    sys::ProcessOptions options;
    options.argv = std::move(argv);
    options.env = std::move(env);
    options.die_with_thread = true;
    TRY_ASSIGN(sys::ChildProcess child, sys::ChildProcess::start(options, false, false, false));
    ServerProcess server(std::move(child));
    for (int tries = 0; tries < 1000 && server.child_.running(); ++tries) {
      if (port_answers(port)) {
        return server;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return error(Code::unavailable, "{} does not answer on port {}", options.argv[0], port);
  }
  void kill() { child_.signal(9); }
  pid_t pid() const { return child_.pid(); }

 private:
  explicit ServerProcess(sys::ChildProcess child) : child_(std::move(child)) {}
  sys::ChildProcess child_;
};

// The path of a program, "" when it is not installed.
inline std::string find_program(const std::string& name) {
  for (const char* dir : {"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin"}) {
    const std::string path = std::string(dir) + "/" + name;
    if (::access(path.c_str(), X_OK) == 0) {
      return path;
    }
  }
  return "";
}

// A program that scripts/test-servers.sh builds. Errors: unsupported, when it is not there (the test skips).
inline Result<std::string> find_test_server(const std::string& name, const std::string& version) {
  const auto environment = [](const char* variable) -> std::string {
    const char* value = std::getenv(variable);
    return value != nullptr ? value : "";
  };
  std::string cache = environment("CAIRN_TEST_SERVERS");
  if (cache.empty()) {
    const std::string base = environment("XDG_CACHE_HOME");
    cache = (base.empty() ? environment("HOME") + "/.cache" : base) + "/cairn-test-servers";
  }
  const std::string path = cache + "/" + name + "-" + version + "/" + name;
  if (::access(path.c_str(), X_OK) != 0) {
    return error(Code::unsupported, "{} is not built: run scripts/test-servers.sh", name);
  }
  return path;
}

}  // namespace cairn::test
