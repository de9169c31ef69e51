#include "repo/repository_log.h"

#include <gtest/gtest.h>

#include "base/json.h"
#include "tests/support/test_repository.h"

namespace cairn::repo {
namespace {

class RepositoryLogTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto opened = repo_.open();
    ASSERT_TRUE(opened.ok());
    auto crypto = format::UnitCrypto::create(*opened->format->current());
    ASSERT_TRUE(crypto.ok());
    crypto_ = std::move(*crypto);
  }
  test::FakeClock clock_;
  test::TestRepository repo_{{}, clock_};
  std::shared_ptr<const format::UnitCrypto> crypto_;
};

TEST_F(RepositoryLogTest, KeepsLinesInOneSealedBlob) {
  RepositoryLog log(repo_.storage(), crypto_, clock_);
  log.write(log::Level::info, "content", "pack written", R"({"id":"p1"})");
  clock_.advance(seconds(5));
  log.write(log::Level::warning, "cli", "a \"quoted\" word", "");
  ASSERT_TRUE(log.close({}).ok());
  log.write(log::Level::info, "cli", "too late", "");
  ASSERT_TRUE(log.close({}).ok());

  auto sessions = list_log_sessions(*repo_.storage(), {});
  ASSERT_TRUE(sessions.ok());
  ASSERT_EQ(sessions->size(), 1u);
  const LogSession& session = sessions->front();
  EXPECT_EQ((session.end - session.start).ns, seconds(5).ns);
  ASSERT_EQ(session.segments.size(), 1u);
  EXPECT_EQ(session.bytes, session.segments[0].length);

  auto text = read_log_blob(*repo_.storage(), *crypto_, session.segments[0].id, {});
  ASSERT_TRUE(text.ok()) << text.status().message();
  EXPECT_EQ(text->text(),
            "{\"t\":\"2023-11-14T22:13:20Z\",\"level\":\"info\",\"module\":\"content\",\"msg\":\"pack written\","
            "\"fields\":{\"id\":\"p1\"}}\n"
            "{\"t\":\"2023-11-14T22:13:25Z\",\"level\":\"warning\",\"module\":\"cli\",\"msg\":\"a \\\"quoted\\\" "
            "word\"}\n");
}

TEST_F(RepositoryLogTest, WritesNothingWithoutLines) {
  RepositoryLog log(repo_.storage(), crypto_, clock_);
  ASSERT_TRUE(log.close({}).ok());
  auto blobs = repo_.storage()->list_all(kLogBlobPrefix, {});
  ASSERT_TRUE(blobs.ok());
  EXPECT_TRUE(blobs->empty());
}

TEST_F(RepositoryLogTest, IsBounded) {
  RepositoryLog log(repo_.storage(), crypto_, clock_);
  const std::string long_line(100'000, 'x');
  for (int i = 0; i < 100; ++i) {
    log.write(log::Level::info, "m", long_line, "");
  }
  ASSERT_TRUE(log.close({}).ok());
  auto sessions = list_log_sessions(*repo_.storage(), {});
  ASSERT_TRUE(sessions.ok());
  ASSERT_EQ(sessions->size(), 1u);
  auto text = read_log_blob(*repo_.storage(), *crypto_, sessions->front().segments[0].id, {});
  ASSERT_TRUE(text.ok());
  EXPECT_LT(text->size(), 5u << 20);
  EXPECT_NE(text->text().find("further lines were dropped"), std::string_view::npos);
}

TEST_F(RepositoryLogTest, IgnoresNamesOfOthers) {
  for (const char* name : {"_log_", "_log_x", "_log_1_2_3_4_5", "_log_1_2_a_4_5_6", "_log_1_2_3_4_5_6_7"}) {
    ASSERT_TRUE(repo_.storage()->put(BlobId(name), as_bytes("x"), {}).ok());
  }
  auto sessions = list_log_sessions(*repo_.storage(), {});
  ASSERT_TRUE(sessions.ok());
  EXPECT_TRUE(sessions->empty());
}

}  // namespace
}  // namespace cairn::repo
