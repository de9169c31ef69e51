// An S3 server (versitygw) with versions and object lock, and connections to its buckets. Header only.
#pragma once

#include "blob/s3/s3_client.h"
#include "blob/s3/s3_storage.h"
#include "sys/file.h"
#include "tests/support/server_process.h"

namespace cairn::test {

class S3Server {
 public:
  static constexpr const char* kAccessKey = "test";
  static constexpr const char* kSecretKey = "testsecret";

  // Why there is none, "" when there is.
  static std::string missing() { return find_test_server("versitygw", "v1.8.0").status().message(); }

  // Further arguments come in front ("--cert", …). Errors: unsupported, when the server is not built.
  static Result<S3Server> start(const std::vector<std::string>& arguments = {}) {
    TRY_ASSIGN(const std::string program, find_test_server("versitygw", "v1.8.0"));
    TRY_ASSIGN(sys::TempDir dir, sys::TempDir::make("cairn-s3-"));
    const std::string data = dir.path() + "/data", versions = dir.path() + "/versions";
    TRY(sys::make_directories(data, 0700));
    TRY(sys::make_directories(versions, 0700));
    const int port = free_port();
    std::vector<std::string> argv = {program,    "-p", fmt::format("127.0.0.1:{}", port), "-a", kAccessKey, "-s",
                                     kSecretKey, "-q"};
    argv.insert(argv.end(), arguments.begin(), arguments.end());
    argv.insert(argv.end(), {"posix", "--versioning-dir", versions, data});
    TRY_ASSIGN(ServerProcess process, ServerProcess::start(argv, port));
    return S3Server(std::move(dir), std::move(process), port);
  }

  std::string address() const { return fmt::format("127.0.0.1:{}", port_); }
  int port() const { return port_; }
  pid_t pid() const { return process_.pid(); }

  // How the configuration file describes a bucket.
  Json config(const std::string& bucket, const std::string& prefix = "") const {
    return Json::object({{"bucket", bucket},
                         {"prefix", prefix},
                         {"endpoint", address()},
                         {"doNotUseTLS", true},
                         {"accessKeyID", kAccessKey},
                         {"secretAccessKey", kSecretKey},
                         {"sessionToken", ""}});
  }
  Status make_bucket(const std::string& bucket, bool object_lock = false) const {
    TRY_ASSIGN(blob::S3Options options, blob::S3Options::from_json(config(bucket)));
    TRY_ASSIGN(const auto client, blob::S3Client::create(options));
    blob::S3Call call{.method = "PUT"};
    if (object_lock) {
      call.headers = {{"x-amz-bucket-object-lock-enabled", "true"}};
    }
    return client->call(call, {}).status();
  }

 private:
  S3Server(sys::TempDir dir, ServerProcess process, int port)
      : dir_(std::move(dir)), process_(std::move(process)), port_(port) {}
  sys::TempDir dir_;
  ServerProcess process_;
  int port_;
};

}  // namespace cairn::test
