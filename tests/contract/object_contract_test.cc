// What Azure and Google Cloud Storage have beyond the contract: views of the past, retention, logins; and answers that
// no good server gives.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <thread>

#include "blob/decorators.h"
#include "tests/support/gcs_server.h"
#include "tests/support/raw_http_server.h"
#include "tests/support/rsa_certificate.h"

namespace cairn::test {
namespace {

using blob::PutOptions;
using blob::StoragePtr;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::string> listed(const StoragePtr& storage, std::string_view prefix = "") {
  auto all = storage->list_all(prefix, {});
  EXPECT_TRUE(all.ok()) << all.status().message();
  std::vector<std::string> ids;
  for (const auto& blob : all.ok() ? *all : std::vector<blob::BlobMetadata>()) {
    ids.push_back(blob.id.text);
  }
  return ids;
}

TEST(GcsContract, PointInTimeShowsTheGenerationsOfThen) {
  if (const std::string missing = GcsServer::missing(); !missing.empty()) {
    GTEST_SKIP() << missing;
  }
  const GcsServer server;
  ASSERT_TRUE(server.make_bucket("plain").ok());
  ASSERT_TRUE(server.make_bucket("kept", true).ok());
  const auto open = [&](const std::string& bucket, const std::string& when) {
    Json config = server.config(bucket);
    config.set_omitempty("pointInTime", when);
    return blob::open_storage({"gcs", config}, {}, {});
  };
  auto now = open("kept", "");
  ASSERT_TRUE(now.ok()) << now.status().message();
  const auto pause = [] { std::this_thread::sleep_for(std::chrono::milliseconds(30)); };
  ASSERT_TRUE((*now)->put(BlobId("p1"), as_bytes("first"), {}).ok());
  ASSERT_TRUE((*now)->put(BlobId("p2"), as_bytes("to be removed"), {}).ok());
  ASSERT_TRUE((*now)->put(BlobId("p0"), as_bytes("removed before"), {}).ok());
  ASSERT_TRUE((*now)->remove(BlobId("p0"), {}).ok());
  pause();
  const std::string then = rfc3339(system_clock().now());
  pause();
  ASSERT_TRUE((*now)->put(BlobId("p1"), as_bytes("second"), {}).ok());
  ASSERT_TRUE((*now)->put(BlobId("p3"), as_bytes("later"), {}).ok());
  ASSERT_TRUE((*now)->remove(BlobId("p2"), {}).ok());

  auto view = open("kept", then);
  ASSERT_TRUE(view.ok()) << view.status().message();
  EXPECT_TRUE((*view)->read_only());
  EXPECT_THAT(listed(*view), ElementsAre("p1", "p2"));
  EXPECT_EQ((*view)->get(BlobId("p1"), {}, {})->text(), "first");
  EXPECT_EQ((*view)->get(BlobId("p1"), {1, 3}, {})->text(), "irs");
  EXPECT_EQ((*view)->metadata(BlobId("p1"), {})->length, 5);
  EXPECT_EQ((*view)->get(BlobId("p2"), {}, {})->text(), "to be removed");
  EXPECT_EQ((*view)->get(BlobId("p0"), {}, {}).code(), Code::not_found);
  EXPECT_EQ((*view)->get(BlobId("p3"), {}, {}).code(), Code::not_found);
  EXPECT_EQ((*view)->put(BlobId("p4"), as_bytes("x"), {}).code(), Code::permission_denied);
  EXPECT_EQ((*view)->remove(BlobId("p1"), {}).code(), Code::permission_denied);
  const auto unkept = open("plain", then);
  EXPECT_EQ(unkept.code(), Code::failed_precondition);
  EXPECT_THAT(unkept.status().message(),
              HasSubstr("cannot create point-in-time view for non-versioned bucket 'plain'"));
}

// A stand-in that answers as told. `page` is what a listing shows.
class ScriptedStore : public ::testing::Test {
 protected:
  Result<StoragePtr> open_gcs() {
    ::setenv("STORAGE_EMULATOR_HOST", server_.address().c_str(), 1);
    return blob::open_storage({"gcs", Json::object({{"bucket", "b"}, {"prefix", "x-"}})}, {}, {});
  }
  Result<StoragePtr> open_azure(std::initializer_list<Json::Member> more = {}) {
    Json config = Json::object({{"container", "c"},
                                {"prefix", "x-"},
                                {"storageAccount", "127"},
                                {"storageKey", "a2V5"},
                                {"storageDomain", fmt::format("0.0.1:{}", server_.port())},
                                {"doNotUseTLS", true}});
    for (const auto& [key, value] : more) {
      config.set(key, value);
    }
    return blob::open_storage({"azureBlob", config}, {}, {});
  }
  std::string last_line() { return server_.requests().back().line(); }

  std::function<std::string(const RawRequest&)> answer_;
  RawHttpServer server_{[this](const RawRequest& request) { return answer_(request); }};
};

std::string azure_page(const std::string& blobs, const std::string& next = "") {
  return RawHttpServer::answer("200 OK", "<EnumerationResults><Blobs>" + blobs + "</Blobs><NextMarker>" + next +
                                             "</NextMarker></EnumerationResults>");
}

std::string azure_blob(const std::string& name, const std::string& version = "") {
  return "<Blob><Name>x-" + name + "</Name>" + (version.empty() ? "" : "<VersionId>" + version + "</VersionId>") +
         "<Properties><Last-Modified>Wed, 03 Jan 2024 00:00:00 GMT</Last-Modified><Content-Length>4</Content-Length>"
         "</Properties></Blob>";
}

TEST_F(ScriptedStore, AzurePointInTimeShowsTheVersionsOfThen) {
  // Two pages: the versions of one blob lie on both.
  answer_ = [](const RawRequest& request) -> std::string {
    const std::string line = request.line();
    if (line.find("comp=list") == std::string::npos) {
      const std::size_t at = line.find("versionid=");
      return RawHttpServer::answer("200 OK", at == std::string::npos ? "none" : line.substr(at + 18, 2));
    }
    if (line.find("include=metadata%2Cversions") == std::string::npos) {
      return RawHttpServer::answer("400 Bad Request", "");
    }
    if (line.find("prefix=x-p2") != std::string::npos) {
      return azure_page(azure_blob("p2", "2024-01-05T00:00:00.0000001Z"));
    }
    return line.find("marker=m1") == std::string::npos
               ? azure_page(azure_blob("p1", "2024-01-01T00:00:00.0000001Z"), "m1")
               : azure_page(azure_blob("p1", "2024-01-02T00:00:00.0000001Z") +
                            azure_blob("p1", "2024-01-04T00:00:00.0000001Z") +
                            (line.find("prefix=x-p1") == std::string::npos
                                 ? azure_blob("p2", "2024-01-05T00:00:00.0000001Z")
                                 : ""));
  };
  const auto view = open_azure({{"pointInTime", "2024-01-03T00:00:00Z"}});
  ASSERT_TRUE(view.ok()) << view.status().message();
  EXPECT_TRUE((*view)->read_only());
  EXPECT_THAT(listed(*view), ElementsAre("p1"));
  EXPECT_EQ((*view)->get(BlobId("p1"), {}, {})->text(), "02");
  EXPECT_EQ((*view)->get(BlobId("p2"), {}, {}).code(), Code::not_found);
  EXPECT_EQ((*view)->remove(BlobId("p1"), {}).code(), Code::permission_denied);
  answer_ = [](const RawRequest&) { return azure_page(azure_blob("p1")); };
  EXPECT_THAT((*view)->list_all("", {}).status().message(),
              HasSubstr("cannot create point-in-time view for non-versioned container 'c'"));
}

TEST_F(ScriptedStore, AzureRetentionIsLockedAndExtended) {
  answer_ = [](const RawRequest&) { return azure_page(""); };
  const auto storage = open_azure();
  ASSERT_TRUE(storage.ok()) << storage.status().message();
  answer_ = [](const RawRequest&) {
    return RawHttpServer::answer("201 Created", "", "Last-Modified: Wed, 03 Jan 2024 00:00:00 GMT\r\n");
  };
  PutOptions options;
  options.retention_mode = "COMPLIANCE";
  options.retention_period = hours(48);
  const ByteView data[] = {as_bytes("x")};
  ASSERT_TRUE((*storage)->put(BlobId("p1"), data, options, {}).ok());
  const auto about_then = [&](const std::string& name) {
    const auto until = net::parse_http_date(server_.requests().back().header(name));
    return until && std::abs((*until - system_clock().now()).seconds() - hours(48).seconds()) < 60;
  };
  EXPECT_EQ(server_.requests().back().header("x-ms-immutability-policy-mode"), "Locked");
  EXPECT_TRUE(about_then("x-ms-immutability-policy-until-date"));
  ASSERT_TRUE((*storage)->extend_retention(BlobId("p1"), "GOVERNANCE", hours(48), {}).ok());
  EXPECT_THAT(last_line(), HasSubstr("PUT /c/x-p1?comp=immutabilityPolicies "));
  EXPECT_EQ(server_.requests().back().header("x-ms-immutability-policy-mode"), "Locked");
  EXPECT_TRUE(about_then("x-ms-immutability-policy-until-date"));
}

TEST_F(ScriptedStore, AzureBlobsUnderAPolicyAreReplacedAndRemoved) {
  answer_ = [](const RawRequest&) { return azure_page(""); };
  const auto storage = open_azure();
  ASSERT_TRUE(storage.ok());
  int deletes = 0;
  answer_ = [&](const RawRequest& request) -> std::string {
    const bool first = request.line().starts_with("DELETE /c/x-p1 ") && ++deletes == 1;
    return first ? RawHttpServer::answer("409 Conflict", "", "x-ms-error-code: BlobImmutableDueToPolicy\r\n")
                 : RawHttpServer::answer("202 Accepted", "");
  };
  const std::size_t before = server_.requests().size();
  ASSERT_TRUE((*storage)->remove(BlobId("p1"), {}).ok());
  const auto all = server_.requests();
  ASSERT_EQ(all.size(), before + 4);
  EXPECT_THAT(all[before + 1].line(), HasSubstr("PUT /c/x-p1 "));
  EXPECT_EQ(all[before + 1].header("x-ms-immutability-policy-mode"), "Unlocked");
  EXPECT_THAT(all[before + 2].line(), HasSubstr("DELETE /c/x-p1?comp=immutabilityPolicies "));
  EXPECT_THAT(all[before + 3].line(), HasSubstr("DELETE /c/x-p1 "));
}

TEST_F(ScriptedStore, AzureLogsInWithAClientCertificate) {
  ::setenv("AZURE_AUTHORITY_HOST", server_.url("/login").c_str(), 1);
  std::string form;
  answer_ = [&](const RawRequest& request) -> std::string {
    if (request.line().starts_with("POST /login/tenant/oauth2/v2.0/token ")) {
      form = request.body;
      return RawHttpServer::answer("200 OK", R"({"access_token":"the-token","expires_in":3600})");
    }
    return request.header("Authorization") == "Bearer the-token" ? azure_page("")
                                                                 : RawHttpServer::answer("401 Unauthorized", "");
  };
  const auto open = [&](const std::string& pem) {
    return open_azure({{"storageKey", ""}, {"TenantID", "tenant"}, {"ClientID", "me"}, {"clientCertificate", pem}});
  };
  const auto storage = open(std::string(kRsaCertificate) + kRsaKey);
  ::unsetenv("AZURE_AUTHORITY_HOST");
  ASSERT_TRUE(storage.ok()) << storage.status().message();
  const std::size_t at = form.find("client_assertion=") + 17;
  const std::string jwt = form.substr(at, form.find('&', at) - at);
  const std::size_t dot = jwt.find('.');
  const auto decode = [](std::string_view text) { return std::string(as_text(*base64url_raw_decode(text))); };
  const auto header = Json::parse(decode(jwt.substr(0, dot)));
  const auto claims = Json::parse(decode(jwt.substr(dot + 1, jwt.rfind('.') - dot - 1)));
  ASSERT_TRUE(header.ok() && claims.ok()) << form;
  EXPECT_EQ((*header)["alg"].as_string(), "RS256");
  EXPECT_EQ((*header)["x5t"].as_string().size(), 27u);
  EXPECT_EQ((*claims)["iss"].as_string(), "me");
  EXPECT_EQ((*claims)["aud"].as_string(), server_.url("/login/tenant/oauth2/v2.0/token"));
  EXPECT_EQ(open("/no/such/file").code(), Code::not_found);
  EXPECT_EQ(open(kRsaKey).code(), Code::invalid_argument) << "a key without certificate";
}

std::string gcs_object(const std::string& name, int size = 4) {
  return fmt::format(R"({{"name":"x-{}","size":"{}","timeCreated":"2024-01-03T00:00:00Z","generation":"7"}})", name,
                     size);
}

std::string gcs_page(const std::string& items, const std::string& next = "") {
  return RawHttpServer::answer("200 OK", R"({"kind":"storage#objects","items":[)" + items + "]" +
                                             (next.empty() ? "" : R"(,"nextPageToken":")" + next + "\"") + "}");
}

TEST_F(ScriptedStore, GcsRetentionIsLockedAndExtended) {
  answer_ = [](const RawRequest&) { return gcs_page(""); };
  const auto storage = open_gcs();
  ASSERT_TRUE(storage.ok()) << storage.status().message();
  answer_ = [](const RawRequest&) { return RawHttpServer::answer("200 OK", gcs_object("p1", 1)); };
  PutOptions options;
  options.retention_mode = "GOVERNANCE";
  options.retention_period = hours(48);
  const ByteView data[] = {as_bytes("x")};
  ASSERT_TRUE((*storage)->put(BlobId("p1"), data, options, {}).ok());
  EXPECT_THAT(server_.requests().back().body, HasSubstr(R"("retention":{"mode":"Locked","retainUntilTime":")"));
  ASSERT_TRUE((*storage)->extend_retention(BlobId("p1"), "GOVERNANCE", hours(72), {}).ok());
  EXPECT_THAT(last_line(), HasSubstr("PATCH /storage/v1/b/b/o/x-p1 "));
  const auto sent = Json::parse(server_.requests().back().body);
  ASSERT_TRUE(sent.ok());
  const auto until = parse_rfc3339((*sent)["retention"]["retainUntilTime"].as_string());
  ASSERT_TRUE(until.ok());
  EXPECT_NEAR((*until - system_clock().now()).seconds(), hours(72).seconds(), 60);
}

TEST_F(ScriptedStore, DamagedPagesAreAskedForAgain) {
  int pages = 0;
  answer_ = [&](const RawRequest&) -> std::string {
    switch (++pages) {
      case 1:
        return gcs_page("");  // of opening
      case 2:
        return RawHttpServer::answer("200 OK", R"({"kind":"storage#objects","items":[{"na)");
      case 3:
        return RawHttpServer::answer("200 OK", "{}");
      case 4:
        return gcs_page(R"({"name":"another","size":"1"})");
      case 5:
        return RawHttpServer::answer("503 Service Unavailable", "");
      default:
        return gcs_page(gcs_object("p1"));
    }
  };
  const auto storage = open_gcs();
  ASSERT_TRUE(storage.ok());
  EXPECT_THAT(listed(*storage), ElementsAre("p1"));
  EXPECT_EQ(pages, 6);
  pages = 0;
  answer_ = [&](const RawRequest&) -> std::string {
    const std::string cut[] = {
        "<EnumerationResults><Blobs>" + azure_blob("p1") + "<Blob><Name>x-p2",
        "<EnumerationResults><Blobs>" + azure_blob("p1") + "</Blobs></EnumerationResults>",
        "<html>welcome to the hotel</html>",
    };
    const int n = pages++;
    return n >= 1 && n <= 3 ? RawHttpServer::answer("200 OK", cut[n - 1]) : azure_page(n == 0 ? "" : azure_blob("p1"));
  };
  const auto azure = open_azure();
  ASSERT_TRUE(azure.ok());
  EXPECT_THAT(listed(*azure), ElementsAre("p1"));
  EXPECT_EQ(pages, 5);
}

TEST_F(ScriptedStore, AStaleListingIsCompleted) {
  bool removed = false;
  answer_ = [&](const RawRequest& request) -> std::string {
    const std::string line = request.line();
    if (line.starts_with("POST /upload")) {
      return RawHttpServer::answer("200 OK", gcs_object("p1", 1));
    }
    if (line.find("/o/x-p1?fields") != std::string::npos && !removed) {
      return RawHttpServer::answer("200 OK", gcs_object("p1", 1));
    }
    return line.find("/o?") != std::string::npos
               ? gcs_page(line.find("prefix=x-q&") == std::string::npos ? gcs_object("p0") : "")
               : RawHttpServer::answer("404 Not Found", "");
  };
  const auto storage = open_gcs();
  ASSERT_TRUE(storage.ok());
  ASSERT_TRUE((*storage)->put(BlobId("p1"), as_bytes("x"), {}).ok());
  EXPECT_THAT(listed(*storage, "p"), ElementsAre("p0", "p1"));
  EXPECT_TRUE(listed(*storage, "q").empty());
  removed = true;  // by another client
  EXPECT_THAT(listed(*storage, "p"), ElementsAre("p0"));
}

TEST_F(ScriptedStore, BytesThatAreNotThoseOfTheServiceAreReadAgain) {
  answer_ = [](const RawRequest&) { return azure_page(""); };
  const auto storage = open_azure();
  ASSERT_TRUE(storage.ok());
  int reads = 0;
  const std::string md5 = "Content-MD5: ndTkYSaMgDT1yFZOFVxnpg==\r\n";  // of "x"
  answer_ = [&](const RawRequest&) { return RawHttpServer::answer("200 OK", ++reads < 3 ? "y" : "x", md5); };
  EXPECT_EQ((*storage)->get(BlobId("p1"), {}, {})->text(), "x");
  EXPECT_EQ(reads, 3);
  // A range that is cut short, with a length that agrees.
  reads = 0;
  answer_ = [&](const RawRequest&) {
    return RawHttpServer::answer("206 Partial Content", ++reads < 3 ? "12" : "1234", "Content-Range: bytes 0-3/10\r\n");
  };
  EXPECT_EQ((*storage)->get(BlobId("p1"), {0, 4}, {})->text(), "1234");
  EXPECT_EQ(reads, 3);
}

TEST_F(ScriptedStore, AServiceUnderLoadIsAskedLessOften) {
  answer_ = [](const RawRequest&) { return gcs_page(""); };
  const auto storage = open_gcs();
  ASSERT_TRUE(storage.ok());
  int refusals = 5;
  answer_ = [&](const RawRequest&) {
    return refusals-- > 0 ? RawHttpServer::answer("429 Too Many Requests", "", "Retry-After: 1\r\n")
                          : RawHttpServer::answer("200 OK", gcs_object("p1"));
  };
  refusals = 1;
  const auto started = monotonic_ns();
  EXPECT_TRUE((*storage)->metadata(BlobId("p1"), {}).ok());
  EXPECT_GE(monotonic_ns() - started, milliseconds(950).ns) << "as long as it asked for";
}

}  // namespace
}  // namespace cairn::test
