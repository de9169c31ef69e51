// Where keys come from when the configuration has none: roles, containers, instances. The services are local stand-ins
// that answer as their documentation says; the storage behind them sees which keys were used.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <thread>

#include "blob/decorators.h"
#include "blob/s3/s3_storage.h"
#include "sys/file.h"
#include "tests/support/raw_http_server.h"

namespace cairn::test {
namespace {

using blob::S3Options;
using blob::StoragePtr;
using ::testing::HasSubstr;
using ::testing::Not;

// Sets variables of the environment, and puts them back.
class Environment {
 public:
  ~Environment() {
    for (const auto& [name, value] : before_) {
      value ? ::setenv(name.c_str(), value->c_str(), 1) : ::unsetenv(name.c_str());
    }
  }
  void set(const std::string& name, const std::string& value) {
    const char* old = std::getenv(name.c_str());
    before_.emplace_back(name, old != nullptr ? std::optional<std::string>(old) : std::nullopt);
    value.empty() ? ::unsetenv(name.c_str()) : ::setenv(name.c_str(), value.c_str(), 1);
  }

 private:
  std::vector<std::pair<std::string, std::optional<std::string>>> before_;
};

std::string expiration(Duration in) { return rfc3339(system_clock().now() + in); }

std::string json_keys(int n, Duration life) {
  return RawHttpServer::answer(
      "200 OK",
      fmt::format(
          R"({{"Code":"Success","AccessKeyId":"AK{0}","SecretAccessKey":"sk{0}","Token":"t{0}","Expiration":"{1}"}})",
          n, expiration(life)));
}

std::string xml_keys(const std::string& action, int n, Duration life) {
  return RawHttpServer::answer(
      "200 OK", fmt::format("<{0}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{0}Result><Credentials>"
                            "<AccessKeyId>AK{1}</AccessKeyId><SecretAccessKey>sk{1}</SecretAccessKey><SessionToken>t{1}"
                            "</SessionToken><Expiration>{2}</Expiration></Credentials></{0}Result></{0}Response>",
                            action, n, expiration(life)));
}

class S3CredentialsTest : public ::testing::Test {
 protected:
  S3CredentialsTest() {
    for (const char* name :
         {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ROLE_ARN",
          "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_SESSION_NAME", "AWS_REGION", "AWS_CONTAINER_CREDENTIALS_FULL_URI",
          "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN",
          "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "AWS_EC2_METADATA_DISABLED"}) {
      environment_.set(name, "");
    }
    environment_.set("AWS_EC2_METADATA_SERVICE_ENDPOINT", service_.url(""));
  }
  Result<StoragePtr> open(std::initializer_list<Json::Member> more = {}) {
    Json config = Json::object({{"bucket", "b"}, {"endpoint", s3_.address()}, {"doNotUseTLS", true}});
    for (const auto& [key, value] : more) {
      config.set(key, value);
    }
    TRY_ASSIGN(const S3Options options, S3Options::from_json(config));
    return blob::open_s3(options, {.create = true}, {});
  }
  // The keys and the session token of the last request that reached the storage.
  std::string used() {
    const auto all = s3_.requests();
    const std::string authorization = all.empty() ? "" : all.back().header("Authorization");
    const std::size_t at = authorization.find("Credential=");
    return at == std::string::npos ? ""
                                   : authorization.substr(at + 11, authorization.find('/', at) - at - 11) + " " +
                                         all.back().header("X-Amz-Security-Token");
  }

  Environment environment_;
  std::function<std::string(const RawRequest&)> answer_ = [](const RawRequest&) {
    return RawHttpServer::answer("404 Not Found", "");
  };
  RawHttpServer service_{[this](const RawRequest& request) { return answer_(request); }};
  std::string object_ = RawHttpServer::answer("404 Not Found", "<Error><Code>NoSuchKey</Code></Error>");
  RawHttpServer s3_{[this](const RawRequest&) { return object_; }};
};

TEST_F(S3CredentialsTest, AnInstanceIsAskedWithAToken) {
  answer_ = [](const RawRequest& request) -> std::string {
    const std::string line = request.line();
    if (line.starts_with("PUT /latest/api/token")) {
      return request.header("X-aws-ec2-metadata-token-ttl-seconds") == "21600" ? RawHttpServer::answer("200 OK", "tok")
                                                                               : RawHttpServer::answer("400 Bad", "");
    }
    if (request.header("X-aws-ec2-metadata-token") != "tok") {
      return RawHttpServer::answer("401 Unauthorized", "");
    }
    return line.starts_with("GET /latest/meta-data/iam/security-credentials/ ")
               ? RawHttpServer::answer("200 OK", "the-role\n")
           : line.starts_with("GET /latest/meta-data/iam/security-credentials/the-role ")
               ? json_keys(1, hours(6))
               : RawHttpServer::answer("404 Not Found", "");
  };
  const auto storage = open();
  ASSERT_TRUE(storage.ok()) << storage.status().message();
  EXPECT_EQ(used(), "AK1 t1");
  EXPECT_EQ((*storage)->get(BlobId("p1"), {}, {}).code(), Code::not_found);
  EXPECT_EQ(service_.requests().size(), 3u) << "asked once";
}

TEST_F(S3CredentialsTest, AContainerIsAskedWithItsAuthorization) {
  environment_.set("AWS_CONTAINER_CREDENTIALS_FULL_URI", service_.url("/creds"));
  environment_.set("AWS_CONTAINER_AUTHORIZATION_TOKEN", "Basic abc");
  answer_ = [](const RawRequest& request) -> std::string {
    return request.line().starts_with("GET /creds ") && request.header("Authorization") == "Basic abc"
               ? json_keys(2, hours(6))
               : RawHttpServer::answer("403 Forbidden", "");
  };
  ASSERT_TRUE(open().ok());
  EXPECT_EQ(used(), "AK2 t2");
  environment_.set("AWS_CONTAINER_AUTHORIZATION_TOKEN", "Basic wrong");
  const auto refused = open();
  EXPECT_EQ(refused.code(), Code::permission_denied);
  EXPECT_THAT(refused.status().message(), HasSubstr("asking the container's credentials: HTTP 403"));
  EXPECT_THAT(refused.status().message(), Not(HasSubstr("wrong")));
  environment_.set("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://example.com/creds");
  EXPECT_EQ(open().code(), Code::invalid_argument) << "a token is not sent to strangers";
}

TEST_F(S3CredentialsTest, KeysAreRenewedBeforeTheyExpire) {
  int fetched = 0;
  environment_.set("AWS_CONTAINER_CREDENTIALS_FULL_URI", service_.url("/creds"));
  answer_ = [&](const RawRequest&) {
    ++fetched;
    return json_keys(fetched, fetched == 1 ? seconds(1) : hours(6));
  };
  const auto storage = open();
  ASSERT_TRUE(storage.ok()) << storage.status().message();
  EXPECT_EQ(used(), "AK1 t1");
  std::this_thread::sleep_for(std::chrono::milliseconds(850));  // the last quarter of their life
  (void)(*storage)->get(BlobId("p1"), {}, {}).ok();
  EXPECT_EQ(used(), "AK2 t2");
  (void)(*storage)->get(BlobId("p1"), {}, {}).ok();
  EXPECT_EQ(fetched, 2);
}

TEST_F(S3CredentialsTest, KeysThatTheServiceCallsExpiredAreReplacedOnce) {
  int fetched = 0;
  environment_.set("AWS_CONTAINER_CREDENTIALS_FULL_URI", service_.url("/creds"));
  answer_ = [&](const RawRequest&) { return json_keys(++fetched, hours(6)); };
  const auto storage = open();
  ASSERT_TRUE(storage.ok());
  object_ = RawHttpServer::answer("400 Bad Request", "<Error><Code>ExpiredToken</Code></Error>");
  const auto refused = (*storage)->get(BlobId("p1"), {}, {});
  EXPECT_EQ(refused.code(), Code::permission_denied);
  EXPECT_GE(fetched, 2);
  EXPECT_LE(fetched, 5) << "and not for ever";
}

TEST_F(S3CredentialsTest, WhenRenewingFailsTheOldKeysServeUntilTheyExpire) {
  int fetched = 0;
  environment_.set("AWS_CONTAINER_CREDENTIALS_FULL_URI", service_.url("/creds"));
  answer_ = [&](const RawRequest&) {
    return ++fetched == 1 ? json_keys(1, seconds(3)) : RawHttpServer::answer("503 Service Unavailable", "");
  };
  const auto storage = open();
  ASSERT_TRUE(storage.ok());
  std::this_thread::sleep_for(std::chrono::milliseconds(2400));
  EXPECT_EQ((*storage)->get(BlobId("p1"), {}, {}).code(), Code::not_found);
  EXPECT_EQ(used(), "AK1 t1");
  EXPECT_EQ(fetched, 2);
}

TEST_F(S3CredentialsTest, ARoleIsAssumedWithAWebIdentity) {
  auto dir = sys::TempDir::make();
  ASSERT_TRUE(dir.ok());
  const std::string file = dir->path() + "/token";
  ASSERT_TRUE(sys::write_file_atomic(file, as_bytes("the.jwt\n"), 0600).ok());
  answer_ = [](const RawRequest& request) -> std::string {
    const bool right = request.line().starts_with("POST / ") && request.header("Authorization").empty() &&
                       request.body.find("Action=AssumeRoleWithWebIdentity&Version=2011-06-15") == 0 &&
                       request.body.find("&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr&") != std::string::npos &&
                       request.body.find("&RoleSessionName=me") != std::string::npos &&
                       request.body.find("&DurationSeconds=1800") != std::string::npos &&
                       request.body.find("&WebIdentityToken=the.jwt") != std::string::npos;
    return right ? xml_keys("AssumeRoleWithWebIdentity", 3, hours(1))
                 : RawHttpServer::answer("400 Bad Request",
                                         "<ErrorResponse><Error><Code>InvalidParameterValue</Code>"
                                         "</Error></ErrorResponse>");
  };
  const Json arn = "arn:aws:iam::1:role/r", endpoint = service_.url("");
  ASSERT_TRUE(open({{"roleARN", arn},
                    {"roleEndpoint", endpoint},
                    {"sessionName", "me"},
                    {"duration", "30m0s"},
                    {"webIdentityTokenFile", file}})
                  .ok());
  EXPECT_EQ(used(), "AK3 t3");
  // As a pod with a service account is told.
  environment_.set("AWS_ROLE_ARN", arn.as_string());
  environment_.set("AWS_WEB_IDENTITY_TOKEN_FILE", file);
  environment_.set("AWS_ROLE_SESSION_NAME", "me");
  const auto pod = open({{"roleEndpoint", endpoint}, {"duration", "30m0s"}});
  ASSERT_TRUE(pod.ok()) << pod.status().message();
  EXPECT_EQ(used(), "AK3 t3");
  ASSERT_TRUE(sys::write_file_atomic(file, as_bytes("other.jwt"), 0600).ok());
  const auto refused = open({{"roleARN", arn}, {"roleEndpoint", endpoint}, {"webIdentityTokenFile", file}});
  EXPECT_EQ(refused.code(), Code::permission_denied);
  EXPECT_THAT(refused.status().message(), HasSubstr("AssumeRoleWithWebIdentity: InvalidParameterValue: HTTP 400"));
  EXPECT_THAT(refused.status().message(), Not(HasSubstr("other.jwt")));
}

TEST_F(S3CredentialsTest, ARoleIsAssumedWithKeys) {
  answer_ = [](const RawRequest& request) -> std::string {
    const std::string authorization = request.header("Authorization");
    const bool right = authorization.find("Credential=base/") != std::string::npos &&
                       authorization.find("/eu-west-1/sts/aws4_request") != std::string::npos &&
                       request.body.find("Action=AssumeRole&Version=2011-06-15") == 0;
    return right ? xml_keys("AssumeRole", 4, hours(1)) : RawHttpServer::answer("403 Forbidden", "");
  };
  const auto storage = open({{"roleARN", "arn:aws:iam::1:role/r"},
                             {"roleEndpoint", service_.url("/")},
                             {"roleRegion", "eu-west-1"},
                             {"accessKeyID", "base"},
                             {"secretAccessKey", "secret"}});
  ASSERT_TRUE(storage.ok()) << storage.status().message();
  EXPECT_EQ(used(), "AK4 t4");
}

TEST_F(S3CredentialsTest, WithoutAnyKeysTheMessageSaysWhatToDo) {
  environment_.set("AWS_EC2_METADATA_DISABLED", "true");
  const auto refused = open();
  EXPECT_EQ(refused.code(), Code::invalid_argument);
  EXPECT_THAT(refused.status().message(), HasSubstr("no credentials: give --access-key and --secret-access-key"));
  EXPECT_EQ(open({{"webIdentityToken", "x"}}).code(), Code::invalid_argument);
  EXPECT_EQ(open({{"accessKeyID", "x"}}).code(), Code::invalid_argument);
}

}  // namespace
}  // namespace cairn::test
