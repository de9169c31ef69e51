// What only B2 has: authorisations that run out, upload addresses that refuse, restricted keys, hidden files.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "blob/decorators.h"
#include "tests/support/b2_server.h"
#include "tests/support/gen.h"

namespace cairn::test {
namespace {

using blob::PutOptions;
using blob::StoragePtr;
using ::testing::HasSubstr;

constexpr const char* kPack = "p06b242d75667d17cbcddfeeaac039fed-s3035f716e3c5b0d9124";

class B2Contract : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const std::string missing = B2Server::missing(); !missing.empty()) {
      GTEST_SKIP() << missing;
    }
    server_.emplace();
  }
  Result<StoragePtr> open(const Json& config) { return blob::open_storage({"b2", config}, {}, {}); }
  Result<StoragePtr> open(const Json& key, const std::string& bucket, const std::string& prefix) {
    return open(Json::object({{"bucket", bucket},
                              {"prefix", prefix},
                              {"keyID", key["applicationKeyId"].as_string()},
                              {"key", key["applicationKey"].as_string()}}));
  }
  std::optional<B2Server> server_;
};

TEST_F(B2Contract, AuthorisationsThatRanOutAreRenewed) {
  auto storage = open(server_->config("box"));
  ASSERT_TRUE(storage.ok()) << storage.status().message();
  ASSERT_TRUE((*storage)->put(BlobId("p1"), as_bytes("one"), {}).ok());
  const auto expire = [&] { ASSERT_TRUE(server_->control("expire").ok()); };
  expire();
  EXPECT_EQ((*storage)->get(BlobId("p1"), {}, {})->text(), "one");
  expire();
  EXPECT_EQ((*storage)->metadata(BlobId("p1"), {})->length, 3);
  expire();
  EXPECT_EQ((*storage)->list_all("", {})->size(), 1u);
  expire();  // of the upload address, too
  EXPECT_TRUE((*storage)->put(BlobId("p2"), as_bytes("two"), {}).ok());
  expire();
  EXPECT_TRUE((*storage)->remove(BlobId("p1"), {}).ok());
  EXPECT_EQ((*storage)->get(BlobId("p1"), {}, {}).code(), Code::not_found);
}

TEST_F(B2Contract, ManyThreadsAtOneExpiryLoseNothing) {
  auto storage = open(server_->config("box"));
  ASSERT_TRUE(storage.ok());
  std::vector<std::jthread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 10; ++i) {
        const BlobId id(fmt::format("p{}x{}", t, i));
        const auto done = (*storage)->put(id, as_bytes(id.text), {});
        EXPECT_TRUE(done.ok()) << done.status().message();
        const auto read = (*storage)->get(id, {}, {});
        EXPECT_TRUE(read.ok() && read->text() == id.text) << read.status().message();
      }
    });
  }
  for (int i = 0; i < 5; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
    ASSERT_TRUE(server_->control("expire").ok());
  }
  threads.clear();
  EXPECT_EQ((*storage)->list_all("p", {})->size(), 80u);
}

TEST_F(B2Contract, AnUploadAddressThatRefusesIsLeftForAnother) {
  auto storage = open(server_->config("box"));
  ASSERT_TRUE(storage.ok());
  ASSERT_TRUE(server_->control("fail_uploads", Json::object({{"count", 3}})).ok());
  const auto started = monotonic_ns();
  EXPECT_TRUE((*storage)->put(BlobId("p1"), as_bytes("x"), {}).ok());
  EXPECT_LT(monotonic_ns() - started, seconds(2).ns) << "the other addresses are asked for at once";
  ASSERT_TRUE(server_->control("fail_uploads", Json::object({{"count", 9}})).ok());
  EXPECT_TRUE((*storage)->put(BlobId("p2"), as_bytes("x"), {}).ok()) << "then with pauses";
}

TEST_F(B2Contract, KeysOpenWhatTheyAreFor) {
  ASSERT_TRUE(server_->make_bucket("other").ok());
  auto narrow = server_->control("key", Json::object({{"bucket", "other"}, {"prefix", "mine/"}}));
  ASSERT_TRUE(narrow.ok());
  auto storage = open(*narrow, "other", "mine/");
  ASSERT_TRUE(storage.ok()) << storage.status().message();
  EXPECT_TRUE((*storage)->put(BlobId("p1"), as_bytes("x"), {}).ok());
  EXPECT_EQ((*storage)->list_all("", {})->size(), 1u);

  const struct {
    const char *bucket, *prefix, *words;
  } refused[] = {{"box", "mine/", "the key is restricted to bucket other, it does not open box"},
                 {"other", "", "the key is restricted to names that start with \"mine/\": use --prefix=mine/"},
                 {"other", "min", "the key is restricted to names"}};
  for (const auto& each : refused) {
    const auto opened = open(*narrow, each.bucket, each.prefix);
    EXPECT_EQ(opened.code(), Code::permission_denied) << each.words;
    EXPECT_THAT(opened.status().message(), HasSubstr(each.words));
  }
  const Json reading = Json::array({"listBuckets", "listFiles", "readFiles"});
  auto reader = server_->control("key", Json::object({{"bucket", "other"}, {"capabilities", reading}}));
  ASSERT_TRUE(reader.ok());
  auto view = open(*reader, "other", "mine/");
  ASSERT_TRUE(view.ok()) << view.status().message();
  EXPECT_EQ((*view)->get(BlobId("p1"), {}, {})->text(), "x");
  EXPECT_EQ((*view)->remove(BlobId("p1"), {}).code(), Code::permission_denied);
}

TEST_F(B2Contract, WrongKeysAndBucketsAreRefusedWithTheirOwnWords) {
  Json wrong = server_->config("box");
  wrong.set("key", "wrongsecret");
  auto opened = open(wrong);
  EXPECT_EQ(opened.code(), Code::permission_denied);
  EXPECT_THAT(opened.status().message(), HasSubstr("b2_authorize_account: HTTP 401: unauthorized"));
  EXPECT_THAT(opened.status().message(), ::testing::Not(HasSubstr("wrongsecret")));
  opened = open(server_->config("no-such-bucket"));
  EXPECT_EQ(opened.code(), Code::failed_precondition);
  EXPECT_THAT(opened.status().message(), HasSubstr("bucket no-such-bucket does not exist"));
  wrong.set("key", "");
  EXPECT_EQ(open(wrong).code(), Code::invalid_argument);
}

TEST_F(B2Contract, RemovedFilesAreHiddenAndOthersAreNotBlobs) {
  auto storage = open(server_->config("box", "a/b-"));
  auto whole = open(server_->config("box", ""));
  ASSERT_TRUE(storage.ok() && whole.ok());
  ASSERT_TRUE((*storage)->put(BlobId(kPack), as_bytes("x"), {}).ok());
  ASSERT_TRUE((*whole)->put(BlobId("q1"), as_bytes("y"), {}).ok());
  ASSERT_EQ((*whole)->list_all("", {})->size(), 1u) << "names with a slash are another's";
  ASSERT_TRUE((*storage)->remove(BlobId(kPack), {}).ok());
  ASSERT_TRUE((*storage)->remove(BlobId(kPack), {}).ok()) << "hidden already";
  ASSERT_TRUE((*storage)->remove(BlobId("never-there"), {}).ok());
  EXPECT_TRUE((*storage)->list_all("", {})->empty());
  const auto names = server_->control("names");  // one that was uploaded, and its hiding
  ASSERT_TRUE(names.ok());
  EXPECT_EQ(names->size(), 3u) << names->dump();
}

TEST_F(B2Contract, OptionsThatB2LacksAreRefused) {
  auto storage = open(server_->config("box"));
  ASSERT_TRUE(storage.ok());
  const ByteView data[] = {as_bytes("x")};
  PutOptions locked;
  locked.retention_mode = "COMPLIANCE";
  locked.retention_period = hours(24);
  EXPECT_EQ((*storage)->put(BlobId("p1"), data, locked, {}).status().message(),
            "blob-retention: unsupported put-blob option");
  EXPECT_EQ((*storage)->extend_retention(BlobId("p1"), "COMPLIANCE", hours(24), {}).code(), Code::unsupported);
  EXPECT_TRUE((*storage)->list_all("", {})->empty());
}

TEST_F(B2Contract, ListingsOfSeveralPages) {
  auto storage = open(server_->config("box"));
  ASSERT_TRUE(storage.ok());
  constexpr int kCount = 1203;
  for (int i = 0; i < kCount; ++i) {
    ASSERT_TRUE((*storage)->put(BlobId(fmt::format("p{:05}", i)), as_bytes("x"), {}).ok());
  }
  EXPECT_EQ((*storage)->list_all("p", {})->size(), static_cast<std::size_t>(kCount));
  EXPECT_EQ((*storage)->list_all("p011", {})->size(), 100u);
}

}  // namespace
}  // namespace cairn::test
