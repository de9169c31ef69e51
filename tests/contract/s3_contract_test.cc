// What only S3 has: object lock, versions, storage classes, regions, clocks; and answers that no good server gives.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>

#include "blob/decorators.h"
#include "net/xml.h"
#include "sys/file.h"
#include "sys/process.h"
#include "tests/support/gen.h"
#include "tests/support/raw_http_server.h"
#include "tests/support/s3_server.h"

namespace cairn::test {
namespace {

using blob::PutOptions;
using blob::S3Options;
using blob::StoragePtr;
using ::testing::HasSubstr;

constexpr const char* kPack = "p06b242d75667d17cbcddfeeaac039fed-s3035f716e3c5b0d9124";

class S3Contract : public ::testing::Test {
 protected:
  void SetUp() override {
    static const Result<S3Server> shared = S3Server::start();
    if (shared.code() == Code::unsupported) {
      GTEST_SKIP() << shared.status().message();
    }
    ASSERT_TRUE(shared.ok()) << shared.status().message();
    server_ = &*shared;
  }
  std::string make_bucket(bool object_lock = false) {
    static int count = 0;
    const std::string bucket = fmt::format("bucket{}", ++count);
    const Status made = server_->make_bucket(bucket, object_lock);
    EXPECT_TRUE(made.ok()) << made.message();
    return bucket;
  }
  static Result<StoragePtr> open(Json config) {
    TRY_ASSIGN(S3Options options, S3Options::from_json(config));
    options.rewrite_distance = {};
    return blob::open_s3(options, {.create = true}, {});
  }
  const S3Server* server_ = nullptr;
};

TEST_F(S3Contract, KeysArePrefixAndIdAndForeignKeysAreNotBlobs) {
  const std::string bucket = make_bucket();
  auto whole = open(server_->config(bucket));
  auto part = open(server_->config(bucket, "a/b-"));
  ASSERT_TRUE(whole.ok() && part.ok()) << whole.status().message();
  ASSERT_TRUE((*part)->put(BlobId(kPack), as_bytes("x"), {}).ok());
  ASSERT_TRUE((*whole)->put(BlobId("q1"), as_bytes("x"), {}).ok());
  ASSERT_TRUE((*whole)->put(BlobId(".storageconfig"), as_bytes("{}"), {}).ok());
  auto seen = (*whole)->list_all("", {});
  ASSERT_TRUE(seen.ok());
  ASSERT_EQ(seen->size(), 1u) << seen->front().id.text << " " << seen->back().id.text;
  EXPECT_EQ(seen->front().id.text, "q1");
  seen = (*part)->list_all("", {});
  ASSERT_EQ(seen->size(), 1u);
  EXPECT_EQ(seen->front().id.text, kPack);
  EXPECT_EQ((*whole)->display_name(), "S3: " + server_->address() + " " + bucket);
}

TEST_F(S3Contract, ObjectLockOfBothModesHoldsAndIsExtended) {
  const std::string bucket = make_bucket(true);
  auto storage = open(server_->config(bucket));
  ASSERT_TRUE(storage.ok());
  auto client = blob::S3Client::create(*S3Options::from_json(server_->config(bucket)));
  ASSERT_TRUE(client.ok());
  for (const char* mode : {"GOVERNANCE", "COMPLIANCE"}) {
    const std::string id = std::string("p") + mode;
    const ByteView data[] = {as_bytes("locked")};
    PutOptions options;
    options.retention_mode = mode;
    options.retention_period = hours(24);
    auto done = (*storage)->put(BlobId(id), data, options, {});
    ASSERT_TRUE(done.ok()) << done.status().message();
    const auto until = [&]() -> Timestamp {
      auto response = (*client)->call({.key = id, .query = "retention="}, {});
      EXPECT_TRUE(response.ok()) << response.status().message();
      auto document = net::parse_xml(response->body);
      EXPECT_EQ(document->text_of("Mode"), mode);
      return *parse_rfc3339(document->text_of("RetainUntilDate"));
    };
    const double first = (until() - system_clock().now()).seconds();
    EXPECT_NEAR(first, 24 * 3600, 30);
    const Status extended = (*storage)->extend_retention(BlobId(id), mode, hours(72), {});
    ASSERT_TRUE(extended.ok()) << extended.message();
    EXPECT_NEAR((until() - system_clock().now()).seconds(), 72 * 3600, 30);
    // A plain delete only hides; the version itself is held by the lock.
    auto head = (*client)->call({.method = "HEAD", .key = id}, {});
    ASSERT_TRUE(head.ok());
    const std::string version(head->header_or_empty("x-amz-version-id"));
    ASSERT_FALSE(version.empty());
    auto refused = (*client)->call({.method = "DELETE", .key = id, .query = "versionId=" + version}, {});
    EXPECT_EQ(refused.code(), Code::permission_denied) << refused.status().message();
    ASSERT_TRUE((*storage)->remove(BlobId(id), {}).ok());
    EXPECT_EQ((*storage)->get(BlobId(id), {}, {}).code(), Code::not_found);
    EXPECT_TRUE((*client)->call({.key = id, .query = "versionId=" + version}, {}).ok());
  }
}

// The server under test dates old versions by when they were replaced, so what a past time shows is a scripted test.
TEST_F(S3Contract, PointInTimeNeedsVersionsAndIsReadOnly) {
  const std::string bucket = make_bucket(true);
  auto storage = open(server_->config(bucket));
  ASSERT_TRUE(storage.ok());
  for (const char* text : {"old", "newer"}) {
    ASSERT_TRUE((*storage)->put(BlobId("p1"), as_bytes(text), {}).ok());
    std::this_thread::sleep_for(std::chrono::milliseconds(1100));
  }
  Json config = server_->config(bucket);
  config.set("pointInTime", rfc3339(system_clock().now() + hours(1)));
  auto view = open(config);
  ASSERT_TRUE(view.ok()) << view.status().message();
  EXPECT_TRUE((*view)->read_only());
  auto read = (*view)->get(BlobId("p1"), {1, 2}, {});
  ASSERT_TRUE(read.ok()) << read.status().message();
  EXPECT_EQ(read->text(), "ew");
  auto listed = (*view)->list_all("", {});
  ASSERT_TRUE(listed.ok()) << listed.status().message();
  ASSERT_EQ(listed->size(), 1u);
  EXPECT_EQ(listed->front().length, 5);
  EXPECT_EQ((*view)->put(BlobId("p4"), as_bytes("x"), {}).code(), Code::permission_denied);
  EXPECT_EQ((*view)->remove(BlobId("p1"), {}).code(), Code::permission_denied);

  Json plain = server_->config(make_bucket());
  plain.set("pointInTime", "2024-01-01T00:00:00Z");
  auto refused = open(plain);
  EXPECT_EQ(refused.code(), Code::failed_precondition);
  EXPECT_THAT(refused.status().message(), HasSubstr("cannot create point-in-time view for non-versioned bucket"));
}

TEST_F(S3Contract, EveryCauseHasItsWords) {
  const std::string bucket = make_bucket();
  const auto message_of = [&](const char* key, const Json& value, Code code) {
    Json config = server_->config(bucket);
    config.set(key, value);
    auto storage = open(config);
    EXPECT_EQ(storage.code(), code) << key << ": " << storage.status().message();
    return storage.status().message();
  };
  EXPECT_THAT(message_of("secretAccessKey", "wrong", Code::permission_denied), HasSubstr("SignatureDoesNotMatch"));
  EXPECT_THAT(message_of("accessKeyID", "nobody", Code::permission_denied), HasSubstr("access key"));
  EXPECT_THAT(message_of("bucket", "no-such-bucket", Code::failed_precondition),
              HasSubstr("bucket no-such-bucket does not exist on " + server_->address()));
  const std::string secret = message_of("secretAccessKey", "wrong", Code::permission_denied);
  EXPECT_THAT(secret, ::testing::Not(HasSubstr("wrong")));
}

Result<std::string> make_certificates(const std::string& dir) {
  const auto openssl = [&](std::vector<std::string> arguments) -> Status {
    arguments.insert(arguments.begin(), {"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                                         "ec_paramgen_curve:P-256", "-nodes", "-days", "2"});
    sys::ProcessOptions options;
    options.argv = std::move(arguments);
    TRY_ASSIGN(const sys::ProcessResult result, sys::run_process(options, {}));
    return result.ok() ? Status() : error(Code::internal, "openssl: {}", result.text());
  };
  TRY(openssl({"-subj", "/CN=private authority", "-keyout", dir + "/ca.key", "-out", dir + "/ca.pem"}));
  TRY(openssl({"-subj", "/CN=server", "-addext", "subjectAltName=IP:127.0.0.1", "-addext",
               "basicConstraints=critical,CA:FALSE", "-CA", dir + "/ca.pem", "-CAkey", dir + "/ca.key", "-keyout",
               dir + "/server.key", "-out", dir + "/server.pem"}));
  TRY_ASSIGN(const Buffer pem, sys::read_file(dir + "/ca.pem", 1 << 20));
  return std::string(pem.text());
}

TEST_F(S3Contract, TlsWithAPrivateAuthority) {
  auto dir = sys::TempDir::make();
  ASSERT_TRUE(dir.ok());
  auto authority = make_certificates(dir->path());
  ASSERT_TRUE(authority.ok()) << authority.status().message();
  auto server = S3Server::start({"--cert", dir->path() + "/server.pem", "--key", dir->path() + "/server.key"});
  ASSERT_TRUE(server.ok()) << server.status().message();
  Json config = server->config("bucket");
  config.erase("doNotUseTLS");
  auto unknown = open(config);
  EXPECT_EQ(unknown.code(), Code::failed_precondition);
  EXPECT_THAT(unknown.status().message(), HasSubstr("tls: failed to verify certificate"));
  Json trusting = config;
  trusting.set("rootCA", base64_encode(as_bytes(*authority)));
  auto client = blob::S3Client::create(*S3Options::from_json(trusting));
  ASSERT_TRUE(client.ok());
  ASSERT_TRUE((*client)->call({.method = "PUT"}, {}).ok());
  auto storage = open(trusting);
  ASSERT_TRUE(storage.ok()) << storage.status().message();
  ASSERT_TRUE((*storage)->put(BlobId(kPack), as_bytes("over TLS"), {}).ok());
  EXPECT_EQ((*storage)->get(BlobId(kPack), {}, {})->text(), "over TLS");
  config.set("doNotVerifyTLS", true);
  auto careless = open(config);
  ASSERT_TRUE(careless.ok()) << careless.status().message();
  EXPECT_EQ((*careless)->get(BlobId(kPack), {}, {})->text(), "over TLS");
}

// --- a server that answers as it is told

// Parts of the smallest size that services take.
class S3Multipart : public S3Contract {
 protected:
  static Result<StoragePtr> open_in_parts(const Json& config) {
    TRY_ASSIGN(S3Options options, S3Options::from_json(config));
    options.rewrite_distance = {};
    options.multipart_threshold = 1 << 20;
    options.part_size = 5 << 20;
    return blob::open_s3(options, {}, {});
  }
};

TEST_F(S3Multipart, LongBlobsArePutInParts) {
  auto storage = open_in_parts(server_->config(make_bucket(), "x/"));
  ASSERT_TRUE(storage.ok()) << storage.status().message();
  for (const std::size_t size : {(std::size_t{1} << 20) + 1, std::size_t{5} << 20, (std::size_t{17} << 20) + 3}) {
    const Bytes data = gen_rand(size, size);
    const ByteView view(data);
    const ByteView parts[] = {view.first(1), view.subspan(1, 700'000), view.subspan(700'001)};
    const auto done = (*storage)->put(BlobId(kPack), parts, {}, {});
    ASSERT_TRUE(done.ok()) << done.status().message();
    EXPECT_EQ(done->length, static_cast<std::int64_t>(size));
    const auto read = (*storage)->get(BlobId(kPack), {}, {});
    ASSERT_TRUE(read.ok());
    EXPECT_TRUE(std::ranges::equal(read->view(), data)) << size;
  }
  EXPECT_EQ((*storage)->list_all("", {})->size(), 1u);
}

TEST_F(S3Multipart, ObjectLockHoldsForPartsToo) {
  const std::string bucket = make_bucket(true);
  auto storage = open_in_parts(server_->config(bucket));
  ASSERT_TRUE(storage.ok());
  PutOptions options;
  options.retention_mode = "COMPLIANCE";
  options.retention_period = hours(24);
  const Bytes data = gen_rand(3, 6 << 20);
  const ByteView parts[] = {ByteView(data)};
  const auto done = (*storage)->put(BlobId(kPack), parts, options, {});
  ASSERT_TRUE(done.ok()) << done.status().message();
  auto client = blob::S3Client::create(*S3Options::from_json(server_->config(bucket)));
  ASSERT_TRUE(client.ok());
  const auto retention = (*client)->call({.key = kPack, .query = "retention="}, {});
  ASSERT_TRUE(retention.ok()) << retention.status().message();
  EXPECT_THAT(std::string(retention->body.text()), HasSubstr("COMPLIANCE"));
}

std::string s3_error(const std::string& status, const std::string& code, const std::string& more = "",
                     const std::string& headers = "") {
  return RawHttpServer::answer(status, "<Error><Code>" + code + "</Code><Message>said so</Message>" + more + "</Error>",
                               headers);
}

const std::string kNoKey = s3_error("404 Not Found", "NoSuchKey");

class ScriptedS3 : public ::testing::Test {
 protected:
  // Opens with an answer for the storage classes, then hands requests to `answer_`.
  // Whoever creates is told at once whether the bucket is there.
  StoragePtr open(const std::string& region = "", Duration rewrite_distance = {},
                  blob::OpenOptions how = {.create = true}) {
    Json config = Json::object({{"bucket", "b"},
                                {"endpoint", server_.address()},
                                {"doNotUseTLS", true},
                                {"accessKeyID", "k"},
                                {"secretAccessKey", "s"},
                                {"region", region},
                                {"pointInTime", point_in_time_}});
    auto options = S3Options::from_json(config);
    options->rewrite_distance = rewrite_distance;
    if (multipart_threshold_ > 0) {
      options->multipart_threshold = options->part_size = multipart_threshold_;
    }
    auto storage = blob::open_s3(*options, how, {});
    EXPECT_TRUE(storage.ok()) << storage.status().message();
    return storage.ok() ? *storage : nullptr;
  }
  int count(const std::string& start) {
    int n = 0;
    for (const RawRequest& request : server_.requests()) {
      n += request.line().starts_with(start) ? 1 : 0;
    }
    return n;
  }
  std::function<std::string(const RawRequest&, int)> answer_ = [](const RawRequest&, int) { return kNoKey; };
  std::atomic<int> calls_{0};
  RawHttpServer server_{[this](const RawRequest& request) {
    return request.line().find("storageconfig") != std::string::npos ? config_ : answer_(request, ++calls_);
  }};
  std::string config_ = kNoKey;
  std::string point_in_time_;
  std::int64_t multipart_threshold_ = 0;  // and size of a part; 0: as it is
};

TEST_F(ScriptedS3, PointInTimeTakesTheNewestVersionOfThen) {
  const struct {
    const char *what, *key, *id, *time;
  } versions[] = {
      {"Version", "p1", "late", "2024-01-03T00:00:00Z"},  {"Version", "p1", "right", "2024-01-01T12:00:00Z"},
      {"Version", "p1", "early", "2024-01-01T00:00:00Z"}, {"DeleteMarker", "p2", "gone", "2024-01-01T12:00:00Z"},
      {"Version", "p2", "was", "2024-01-01T00:00:00Z"},   {"DeleteMarker", "p3", "later", "2024-01-03T00:00:00Z"},
      {"Version", "p3", "still", "2024-01-01T00:00:00Z"}, {"Version", "p4", "new", "2024-01-03T00:00:00Z"},
  };
  answer_ = [&](const RawRequest& r, int) -> std::string {
    const std::string line = r.line();
    if (line.find("?versioning=") != std::string::npos) {
      return RawHttpServer::answer("200 OK",
                                   "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>");
    }
    if (line.find("?versions&") == std::string::npos) {
      const std::size_t id = line.find("versionId=");
      return RawHttpServer::answer("200 OK", id == std::string::npos ? "current" : line.substr(id + 10, 5));
    }
    const std::size_t at = line.find("&prefix=") + 8;
    const std::string prefix = line.substr(at, line.find(' ', at) - at);
    std::string body = "<ListVersionsResult><IsTruncated>false</IsTruncated>";
    for (const auto& v : versions) {
      if (std::string_view(v.key).starts_with(prefix)) {
        body += fmt::format(
            "<{0}><Key>{1}</Key><VersionId>{2}</VersionId><LastModified>{3}</LastModified><Size>3</Size></{0}>", v.what,
            v.key, v.id, v.time);
      }
    }
    return RawHttpServer::answer("200 OK", body + "</ListVersionsResult>");
  };
  point_in_time_ = "2024-01-02T00:00:00Z";
  const StoragePtr view = open();
  auto listed = view->list_all("p", {});
  ASSERT_TRUE(listed.ok()) << listed.status().message();
  ASSERT_EQ(listed->size(), 2u);
  EXPECT_EQ((*listed)[0].id.text, "p1");
  EXPECT_EQ((*listed)[1].id.text, "p3");
  EXPECT_EQ(view->get(BlobId("p1"), {}, {})->text(), "right");
  EXPECT_EQ(view->get(BlobId("p3"), {}, {})->text(), "still");
  EXPECT_EQ(view->get(BlobId("p2"), {}, {}).code(), Code::not_found);
  EXPECT_EQ(view->get(BlobId("p4"), {}, {}).code(), Code::not_found);
}

TEST_F(ScriptedS3, StorageClassesFollowTheRules) {
  config_ = RawHttpServer::answer(
      "200 OK", R"({"blobOptions":[{"prefix":"p","storageClass":"STANDARD_IA"},{"prefix":"","storageClass":"X"}]})");
  answer_ = [](const RawRequest&, int) { return RawHttpServer::answer("200 OK", ""); };
  const StoragePtr storage = open();
  ASSERT_TRUE(storage->put(BlobId("p1"), as_bytes("x"), {}).ok());
  EXPECT_EQ(server_.requests().back().header("x-amz-storage-class"), "STANDARD_IA");
  EXPECT_EQ(server_.requests().back().header("Content-MD5"), "") << "the signature covers the bytes";
  EXPECT_EQ(server_.requests().back().header("Content-Type"), "application/x-kopia");
  ASSERT_TRUE(storage->put(BlobId("q1"), as_bytes("x"), {}).ok());
  EXPECT_EQ(server_.requests().back().header("x-amz-storage-class"), "X");
  EXPECT_THAT(server_.requests().back().head, ::testing::Not(HasSubstr("checksum")));
}

TEST_F(ScriptedS3, ObjectLockSendsASumOfTheBytes) {
  answer_ = [](const RawRequest&, int) { return RawHttpServer::answer("200 OK", ""); };
  const ByteView parts[] = {as_bytes("x")};
  ASSERT_TRUE(
      open()->put(BlobId("p1"), parts, {.retention_mode = "GOVERNANCE", .retention_period = hours(24)}, {}).ok());
  EXPECT_EQ(server_.requests().back().header("Content-MD5"), "ndTkYSaMgDT1yFZOFVxnpg==");
}

// Opened for use, the rules are read beside the first requests; a write waits for them, and fails with them.
TEST_F(ScriptedS3, RulesOfStorageClassesAreReadBesideTheFirstRequests) {
  config_ = RawHttpServer::answer("200 OK", R"({"blobOptions":[{"prefix":"p","storageClass":"STANDARD_IA"}]})");
  answer_ = [](const RawRequest&, int) { return RawHttpServer::answer("200 OK", ""); };
  const StoragePtr storage = open("", {}, {});
  ASSERT_TRUE(storage->put(BlobId("p1"), as_bytes("x"), {}).ok());
  EXPECT_EQ(server_.requests().back().header("x-amz-storage-class"), "STANDARD_IA");

  config_ = s3_error("403 Forbidden", "AccessDenied");
  const StoragePtr refused = open("", {}, {});
  const auto put = refused->put(BlobId("p1"), as_bytes("x"), {});
  EXPECT_EQ(put.code(), Code::permission_denied);
  EXPECT_THAT(put.status().message(), HasSubstr("unable to access bucket b"));
}

TEST_F(ScriptedS3, PartsOfAFailedUploadAreGivenUp) {
  multipart_threshold_ = 10;
  std::atomic<int> refusals{0};
  answer_ = [&](const RawRequest& r, int) -> std::string {
    const std::string line = r.line();
    if (line.starts_with("POST /b/p1?uploads= ")) {
      return RawHttpServer::answer("200 OK", "<R><UploadId>id 1</UploadId></R>");
    }
    if (line.starts_with("PUT /b/p1?partNumber=2&uploadId=id%201 ")) {
      ++refusals;
      return s3_error("403 Forbidden", "AccessDenied");
    }
    return line.starts_with("DELETE") ? RawHttpServer::answer("204 No Content", "")
           : line.starts_with("HEAD") ? RawHttpServer::answer("404 Not Found", "")
                                      : RawHttpServer::answer("200 OK", "", "ETag: \"e\"\r\n");
  };
  const StoragePtr storage = open();
  const auto done = storage->put(BlobId("p1"), as_bytes("0123456789abcdef"), {});
  EXPECT_EQ(done.code(), Code::permission_denied);
  EXPECT_EQ(count("DELETE /b/p1?uploadId=id%201 "), 1);
  EXPECT_EQ(count("POST /b/p1?uploadId"), 0) << "nothing is completed";
}

TEST_F(ScriptedS3, CompletingThatFailsAfter200IsNoticed) {
  multipart_threshold_ = 10;
  std::atomic<int> completions{0};
  answer_ = [&](const RawRequest& r, int) -> std::string {
    const std::string line = r.line();
    if (line.starts_with("POST /b/p1?uploads= ")) {
      return RawHttpServer::answer("200 OK", "<R><UploadId>1</UploadId></R>");
    }
    if (line.starts_with("POST /b/p1?uploadId=1 ")) {
      return RawHttpServer::answer("200 OK", ++completions == 1 ? "<Error><Code>InternalError</Code></Error>"
                                                                : "<CompleteMultipartUploadResult/>");
    }
    const std::string more = "ETag: \"e\"\r\nLast-Modified: Wed, 03 Jan 2024 00:00:00 GMT\r\n";
    return RawHttpServer::answer("200 OK", "", more);
  };
  const StoragePtr storage = open();
  const auto done = storage->put(BlobId("p1"), as_bytes("0123456789abcdef"), {});
  EXPECT_TRUE(done.ok()) << done.status().message();
  EXPECT_EQ(completions, 2);
  EXPECT_EQ(count("DELETE"), 0);
}

TEST_F(ScriptedS3, TheRegionIsFoundOutUnlessItWasGiven) {
  answer_ = [](const RawRequest& r, int) {
    return r.header("Authorization").find("/eu-north-9/") != std::string::npos
               ? RawHttpServer::answer("200 OK", "here")
               : s3_error("400 Bad Request", "AuthorizationHeaderMalformed", "<Region>eu-north-9</Region>");
  };
  EXPECT_EQ(open()->get(BlobId("p1"), {}, {})->text(), "here");
  auto refused = open("us-west-1")->get(BlobId("p1"), {}, {});
  EXPECT_EQ(refused.code(), Code::failed_precondition);
  EXPECT_THAT(refused.status().message(), HasSubstr("is in region eu-north-9, not us-west-1"));
}

TEST_F(ScriptedS3, AWrongClockIsCorrectedByTheServers) {
  const Timestamp later = system_clock().now() + hours(3);
  const std::string date = "Date: " + net::format_http_date(later) + "\r\n";
  const CivilTime c = civil_utc(later);
  const std::string hour = fmt::format("{:02}{:02}{:02}T{:02}", c.year, c.month, c.day, c.hour);
  answer_ = [=](const RawRequest& r, int) {
    return r.header("X-Amz-Date").starts_with(hour) ? RawHttpServer::answer("200 OK", "in time", date)
                                                    : s3_error("403 Forbidden", "RequestTimeTooSkewed", "", date);
  };
  EXPECT_EQ(open()->get(BlobId("p1"), {}, {})->text(), "in time");
}

TEST_F(ScriptedS3, ThrottledRequestsWaitAsLongAsAsked) {
  answer_ = [](const RawRequest&, int n) {
    return n <= 2 ? s3_error("503 Service Unavailable", "SlowDown", "", n == 1 ? "Retry-After: 1\r\n" : "")
                  : RawHttpServer::answer("200 OK", "x");
  };
  const StoragePtr storage = open();
  const std::int64_t start = monotonic_ns();
  EXPECT_EQ(storage->get(BlobId("p1"), {}, {})->text(), "x");
  EXPECT_GE(monotonic_ns() - start, seconds(1).ns);
  EXPECT_EQ(calls_, 3);
}

TEST_F(ScriptedS3, AKeyIsNotWrittenTwiceWithinASecond) {
  answer_ = [](const RawRequest&, int) { return RawHttpServer::answer("200 OK", ""); };
  const StoragePtr storage = open("", seconds(3));
  const std::int64_t start = monotonic_ns();
  ASSERT_TRUE(storage->put(BlobId("p1"), as_bytes("x"), {}).ok());
  ASSERT_TRUE(storage->put(BlobId("p2"), as_bytes("x"), {}).ok());
  EXPECT_LT(monotonic_ns() - start, milliseconds(2900).ns);
  ASSERT_TRUE(storage->put(BlobId("p1"), as_bytes("y"), {}).ok());
  EXPECT_GE(monotonic_ns() - start, seconds(3).ns);
}

TEST_F(ScriptedS3, AnUncertainWriteIsReadBack) {
  // The server fails after the PUT; the object is there with the right bytes, so it is not sent again.
  answer_ = [](const RawRequest& r, int) {
    return r.line().starts_with("PUT") ? s3_error("500 Internal Server Error", "InternalError")
                                       : "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nETag: "
                                         "\"9dd4e461268c8034f5c8564e155c67a6\"\r\nLast-Modified: Fri, 24 May 2013 "
                                         "00:00:00 GMT\r\n\r\n";
  };
  const StoragePtr storage = open();
  auto done = storage->put(BlobId("p1"), as_bytes("x"), {});
  ASSERT_TRUE(done.ok()) << done.status().message();
  EXPECT_EQ(done->timestamp, Timestamp::from_seconds(1369353600));
  EXPECT_EQ(count("PUT"), 1);
  EXPECT_EQ(count("HEAD"), 1);
}

TEST_F(ScriptedS3, AnUncertainWriteThatDidNotHappenIsRepeated) {
  answer_ = [](const RawRequest& r, int n) {
    return n == 1                         ? std::string()
           : r.line().starts_with("HEAD") ? std::string("HTTP/1.1 404 Not Found\r\n\r\n")
                                          : RawHttpServer::answer("200 OK", "");
  };
  ASSERT_TRUE(open()->put(BlobId("p1"), as_bytes("x"), {}).ok());
  EXPECT_EQ(count("PUT"), 2);
}

std::string page(const std::string& inside, const std::string& end = "<IsTruncated>false</IsTruncated>") {
  return RawHttpServer::answer("200 OK", "<ListBucketResult>" + inside + end + "</ListBucketResult>");
}
std::string entry(const std::string& key) {
  return "<Contents><Key>" + key +
         "</Key><LastModified>2024-01-02T03:04:05.678Z</LastModified><Size>3</Size></Contents>";
}

TEST_F(ScriptedS3, ListingsGoOnUntilTheyAreComplete) {
  answer_ = [](const RawRequest& r, int) {
    return r.line().find("continuation-token=a%2Bb") != std::string::npos
               ? page(entry("p2"))
               : page(entry("p1"), "<IsTruncated>true</IsTruncated><NextContinuationToken>a+b</NextContinuationToken>");
  };
  auto all = open()->list_all("p", {});
  ASSERT_TRUE(all.ok()) << all.status().message();
  ASSERT_EQ(all->size(), 2u);
  EXPECT_EQ((*all)[1].id.text, "p2");
  EXPECT_EQ((*all)[1].length, 3);
}

TEST_F(ScriptedS3, DamagedListingsAreAskedForAgain) {
  const std::string good = page(entry("p1"));
  const std::string bad[] = {
      RawHttpServer::answer("200 OK", good.substr(good.find("<List"), 60)),         // cut
      page(entry("p1"), ""),                                                        // complete or not?
      page(entry("p1"), "<IsTruncated>true</IsTruncated>"),                         // cannot go on
      page(entry("p1") + "<KeyCount>2</KeyCount>"),                                 // one is missing
      page(entry("other")),                                                         // not asked for
      RawHttpServer::answer("200 OK", "<html>proxy</html>"),                        //
      RawHttpServer::kReset + RawHttpServer::answer("200 OK", good).substr(0, 80),  // connection lost
      s3_error("500 Internal Server Error", "InternalError"),                       //
  };
  for (const std::string& each : bad) {
    const int before = calls_;
    answer_ = [&](const RawRequest&, int n) { return n == before + 1 ? each : good; };
    auto all = open()->list_all("p", {});
    ASSERT_TRUE(all.ok()) << each << all.status().message();
    ASSERT_EQ(all->size(), 1u) << each;
    EXPECT_EQ(calls_ - before, 2) << each;
  }
}

TEST_F(ScriptedS3, AStaleListingIsCompletedByWhatWeWrote) {
  answer_ = [](const RawRequest& r, int) {
    if (r.line().starts_with("HEAD")) {
      return r.line().find("/b/pnew") != std::string::npos
                 ? "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nLast-Modified: Fri, 24 May 2013 00:00:00 GMT\r\n\r\n"
                 : std::string("HTTP/1.1 404 Not Found\r\n\r\n");
    }
    return r.line().starts_with("PUT") ? RawHttpServer::answer("200 OK", "") : page(entry("p1"));
  };
  const StoragePtr storage = open();
  ASSERT_TRUE(storage->put(BlobId("pnew"), as_bytes("abc"), {}).ok());
  ASSERT_TRUE(storage->put(BlobId("pgone"), as_bytes("abc"), {}).ok());  // removed by another client
  auto all = storage->list_all("p", {});
  ASSERT_TRUE(all.ok()) << all.status().message();
  ASSERT_EQ(all->size(), 2u);
  EXPECT_EQ((*all)[1].id.text, "pnew");
}

TEST_F(ScriptedS3, NotFoundOfAnotherServerIsNotAMissingBlob) {
  answer_ = [](const RawRequest&, int) { return RawHttpServer::answer("404 Not Found", "<html>nginx</html>"); };
  auto read = open()->get(BlobId("kopia.repository"), {}, {});
  EXPECT_EQ(read.code(), Code::failed_precondition);
  EXPECT_THAT(read.status().message(), HasSubstr("does not answer like an S3 server"));
}

TEST_F(ScriptedS3, RangesThatTheServerGetsWrongAreRefused) {
  answer_ = [](const RawRequest&, int) { return RawHttpServer::answer("200 OK", "0123456789"); };
  Json config;
  const StoragePtr storage = open();
  std::stop_source stop;
  std::jthread stopper([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    stop.request_stop();
  });
  const std::int64_t start = monotonic_ns();
  auto read = storage->get(BlobId("p1"), {3, 4}, stop.get_token());  // retried until stopped
  EXPECT_FALSE(read.ok());
  EXPECT_THAT(read.status().message(), HasSubstr("10 bytes instead of the range 3+4"));
  EXPECT_LT(monotonic_ns() - start, seconds(2).ns);
}

TEST(S3Options, WhatCannotWorkIsSaid) {
  const auto code_of = [](const char* key, const char* value) {
    Json config = Json::object({{"bucket", "b"}, {"accessKeyID", "k"}, {"secretAccessKey", "s"}});
    config.set(key, value);
    return S3Options::from_json(config).code();
  };
  EXPECT_EQ(code_of("bucket", ""), Code::invalid_argument);
  EXPECT_EQ(code_of("bucket", "a/b"), Code::invalid_argument);
  EXPECT_EQ(code_of("endpoint", "http://x"), Code::invalid_argument);
  EXPECT_EQ(code_of("rootCA", "%"), Code::invalid_argument);
  EXPECT_EQ(code_of("pointInTime", "yesterday"), Code::invalid_argument);
  EXPECT_EQ(code_of("region", "x"), Code::ok);
}

}  // namespace
}  // namespace cairn::test
