// B2's native interface on loopback: the simulator of Backblaze's own SDK behind HTTP (b2_server.py), in memory.
#pragma once

#include <gtest/gtest.h>

#include "base/json.h"
#include "net/http.h"
#include "tests/support/server_process.h"

namespace cairn::test {

class B2Server {
 public:
  static Result<std::string> program() { return find_test_server("b2sdk", "2.13.2"); }
  static std::string missing() { return program().status().message(); }

  B2Server() {
    auto server = ServerProcess::start(
        {program().value(), "-B", CAIRN_TESTS_DIR "/support/b2_server.py", std::to_string(port_)}, port_);
    EXPECT_TRUE(server.ok()) << server.status().message();
    if (server.ok()) {
      server_.emplace(std::move(server).value());
    }
    lead_here();
  }
  // From now on stores of B2 are this server's.
  void lead_here() const { ::setenv("B2_ENVIRONMENT", fmt::format("http://127.0.0.1:{}", port_).c_str(), 1); }
  Json config(const std::string& bucket, const std::string& prefix = "some/prefix-") const {
    lead_here();
    return Json::object({{"bucket", bucket}, {"prefix", prefix}, {"keyID", "test"}, {"key", "testsecret"}});
  }
  // What b2_server.py offers to tests.
  Result<Json> control(const std::string& name, const Json& arguments = Json::object()) const {
    TRY_ASSIGN(const auto client, net::HttpClient::create({}));
    const std::string text = arguments.dump();
    const ByteView parts[] = {as_bytes(text)};
    net::HttpRequest request;
    request.method = "POST";
    request.url = fmt::format("http://127.0.0.1:{}/test/{}", port_, name);
    request.body = parts;
    TRY_ASSIGN(const net::HttpResponse response, client->send(request, {}));
    return response.ok() ? Json::parse(response.body.text()) : net::http_error(response, name);
  }
  // Success when it is there.
  Status make_bucket(const std::string& name) const {
    return control("bucket", Json::object({{"name", name}})).status();
  }

 private:
  const int port_ = free_port();
  std::optional<ServerProcess> server_;
};

}  // namespace cairn::test
