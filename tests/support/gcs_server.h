// fake-gcs-server, a stand-in for Google Cloud Storage, in memory.
#pragma once

#include <gtest/gtest.h>

#include "base/json.h"
#include "net/http.h"
#include "tests/support/server_process.h"

namespace cairn::test {

class GcsServer {
 public:
  static Result<std::string> program() { return find_test_server("fake-gcs-server", "v1.56.1"); }
  static std::string missing() { return program().status().message(); }

  GcsServer() {
    const std::string port = std::to_string(port_);
    auto server = ServerProcess::start(
        {program().value(), "-scheme", "http", "-host", "127.0.0.1", "-port", port, "-backend", "memory", "-log-level",
         "error", "-public-host", "127.0.0.1:" + port, "-external-url", "http://127.0.0.1:" + port},
        port_);
    EXPECT_TRUE(server.ok()) << server.status().message();
    if (server.ok()) {
      server_.emplace(std::move(server).value());
    }
  }
  Json config(const std::string& bucket) const {
    ::setenv("STORAGE_EMULATOR_HOST", fmt::format("127.0.0.1:{}", port_).c_str(), 1);
    return Json::object({{"bucket", bucket}, {"prefix", "some/prefix-"}});
  }
  // Success when it is there.
  Status make_bucket(const std::string& name, bool versions = false) const {
    TRY_ASSIGN(const auto client, net::HttpClient::create({}));
    const std::string text =
        Json::object({{"name", name}, {"versioning", Json::object({{"enabled", versions}})}}).dump();
    const ByteView parts[] = {as_bytes(text)};
    net::HttpRequest request;
    request.method = "POST";
    request.url = fmt::format("http://127.0.0.1:{}/storage/v1/b?project=p", port_);
    request.set("Content-Type", "application/json");
    request.body = parts;
    TRY_ASSIGN(const net::HttpResponse response, client->send(request, {}));
    return response.ok() || response.status == 409 ? Status() : net::http_error(response, "make bucket");
  }

 private:
  const int port_ = free_port();
  std::optional<ServerProcess> server_;
};

}  // namespace cairn::test
