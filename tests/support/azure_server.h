// Azurite, a stand-in for Azure's blob service, in memory.
#pragma once

#include <gtest/gtest.h>

#include "blob/azure/azure_client.h"
#include "tests/support/server_process.h"

namespace cairn::test {

class AzureServer {
 public:
  static Result<std::string> program() { return find_test_server("azurite", "3.35.0"); }
  static std::string missing() { return program().status().message(); }

  AzureServer() {
    auto server =
        ServerProcess::start({program().value(), "--blobHost", "127.0.0.1", "--blobPort", std::to_string(port_),
                              "--inMemoryPersistence", "--skipApiVersionCheck", "--silent", "--disableTelemetry"},
                             port_, {"AZURITE_ACCOUNTS=127:" + key_});
    EXPECT_TRUE(server.ok()) << server.status().message();
    if (server.ok()) {
      server_.emplace(std::move(server).value());
    }
  }
  // The account is the first part of the host name, which makes it 127.0.0.1 here.
  Json config(const std::string& container) const {
    return Json::object({{"container", container},
                         {"prefix", "some/prefix-"},
                         {"storageAccount", "127"},
                         {"storageKey", key_},
                         {"storageDomain", fmt::format("0.0.1:{}/127", port_)},
                         {"doNotUseTLS", true}});
  }
  // Success when it is there.
  Status make_container(const std::string& name) const {
    TRY_ASSIGN(blob::AzureOptions options, blob::AzureOptions::from_json(config(name)));
    TRY_ASSIGN(const auto client, blob::AzureClient::create(std::move(options)));
    blob::AzureCall call;
    call.method = "PUT";
    call.query = {{"restype", "container"}};
    TRY_ASSIGN(const net::HttpResponse response, client->send(call, {}));
    return response.ok() || response.status == 409 ? Status() : blob::azure_error(response, "make container");
  }
  int port() const { return port_; }

 private:
  const int port_ = free_port();
  const std::string key_ = base64_encode(as_bytes("a key that is only for tests of this program"));
  std::optional<ServerProcess> server_;
};

}  // namespace cairn::test
