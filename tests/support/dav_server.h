// A WebDAV server (nginx) over the whole file system of the machine: a test's folder is a part of the URL.
#pragma once

#include <gtest/gtest.h>

#include <csignal>

#include "base/json.h"
#include "tests/support/server_process.h"

namespace cairn::test {

class DavServer {
 public:
  static constexpr const char* kModule = "/usr/lib/nginx/modules/ngx_http_dav_ext_module.so";

  // What the machine lacks, "" when nothing.
  static std::string missing() {
    return find_program("nginx").empty() || !sys::file_exists(kModule)
               ? "nginx-light and libnginx-mod-http-dav-ext are not installed"
               : "";
  }
  DavServer() {
    dir_ = sys::TempDir::make().value();
    auto server = ServerProcess::start(command(), port_);
    EXPECT_TRUE(server.ok()) << server.status().message();
    if (server.ok()) {
      server_.emplace(std::move(server).value());
    }
  }

  Json config(const std::string& root, bool atomic) const {
    return Json::object({{"url", fmt::format("http://127.0.0.1:{}{}", port_, root)},
                         {"username", "test"},
                         {"password", "testsecret"},
                         {"atomicWrites", atomic},
                         {"dirShards", Json()}});
  }
  int port() const { return port_; }

 private:
  std::vector<std::string> command() const {
    const std::string text = fmt::format(
        R"(load_module {module}; daemon off; master_process off; pid {dir}/pid; error_log {dir}/error.log;
events {{ worker_connections 256; }}
http {{
  access_log off; client_max_body_size 0; client_body_temp_path {dir}/body;
  proxy_temp_path {dir}/p; fastcgi_temp_path {dir}/f; uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s;
  server {{
    listen 127.0.0.1:{port};
    location / {{
      root /; auth_basic x; auth_basic_user_file {dir}/users;
      dav_methods PUT DELETE MKCOL COPY MOVE; dav_ext_methods PROPFIND OPTIONS;
    }}
  }}
}}
)",
        fmt::arg("module", kModule), fmt::arg("dir", dir_.path()), fmt::arg("port", port_));
    EXPECT_TRUE(sys::write_file_atomic(dir_.path() + "/conf", as_bytes(text), 0600).ok());
    EXPECT_TRUE(sys::write_file_atomic(dir_.path() + "/users", as_bytes("test:{PLAIN}testsecret\n"), 0600).ok());
    return {find_program("nginx"), "-c", dir_.path() + "/conf", "-e", dir_.path() + "/error.log"};
  }
  sys::TempDir dir_;
  const int port_ = free_port();
  std::optional<ServerProcess> server_;
};

}  // namespace cairn::test
