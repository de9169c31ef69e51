#include "base/status.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace cairn {
namespace {

Status fails(Code code) { return error(code, "no such {}", "blob"); }
Result<int> number(bool good) {
  if (good) {
    return 7;
  }
  return error(Code::not_found, "nothing here");
}
Status outer(bool good, int& out) {
  TRY_ASSIGN(out, number(good), "reading {}", "p1");
  return {};
}

TEST(Status, DefaultIsOk) {
  const Status s;
  EXPECT_TRUE(s.ok());
  EXPECT_EQ(s.code(), Code::ok);
  EXPECT_EQ(s.message(), "");
  EXPECT_TRUE(Status().with_frame("opening").ok());
}

TEST(Status, FramesReadOutermostFirst) {
  const Status s = fails(Code::not_found).with_frame("reading pack").with_frame("").with_frame("listing");
  EXPECT_EQ(s.message(), "listing: reading pack: no such blob");
  EXPECT_TRUE(s.is(Code::not_found));
}

TEST(Status, CopiesAreIndependent) {
  const Status a = fails(Code::corrupt);
  Status b = a;
  b = std::move(b).with_frame("x").with_code(Code::unavailable).with_retry_after(2.5);
  EXPECT_EQ(a.message(), "no such blob");
  EXPECT_EQ(a.code(), Code::corrupt);
  EXPECT_EQ(b.message(), "x: no such blob");
  EXPECT_EQ(b.code(), Code::unavailable);
  EXPECT_EQ(b.retry_after_seconds(), 2.5);
}

TEST(Status, TryReturnsWithTheFrameInFront) {
  int out = 0;
  EXPECT_TRUE(outer(true, out).ok());
  EXPECT_EQ(out, 7);
  EXPECT_EQ(outer(false, out).message(), "reading p1: nothing here");
}

TEST(Status, ErrnosMapToWhatCallersActOn) {
  EXPECT_EQ(errno_status(ENOENT, "open x").code(), Code::not_found);
  EXPECT_EQ(errno_status(EACCES, "open x").code(), Code::permission_denied);
  EXPECT_EQ(errno_status(ENOSPC, "write").code(), Code::resource_exhausted);
  EXPECT_EQ(errno_status(EDQUOT, "write").code(), Code::resource_exhausted);
  EXPECT_EQ(errno_status(EEXIST, "mkdir").code(), Code::already_exists);
  EXPECT_EQ(errno_status(ESTALE, "read").code(), Code::unavailable);
  EXPECT_EQ(errno_status(ENOENT, "open x").message(), "open x: no such file or directory");
}

TEST(Status, EveryCodeHasOneRowOfFacts) {
  for (int i = 0; i <= static_cast<int>(Code::internal); ++i) {
    const Code code = static_cast<Code>(i);
    const CodeFacts& facts = code_facts(code);
    EXPECT_EQ(facts.code, code);
    EXPECT_FALSE(facts.name.empty());
    EXPECT_EQ(facts.exit_code, code == Code::ok ? 0 : 1) << facts.name;
    EXPECT_GE(facts.http_status, 200) << facts.name;
  }
  EXPECT_TRUE(code_facts(Code::unavailable).retryable);
  EXPECT_FALSE(code_facts(Code::corrupt).retryable);
  EXPECT_FALSE(code_facts(Code::cancelled).retryable);
}

TEST(Result, MovesItsValueOut) {
  Result<std::unique_ptr<int>> r = std::make_unique<int>(3);
  ASSERT_TRUE(r.ok());
  EXPECT_EQ(**r, 3);
  Result<std::unique_ptr<int>> moved = std::move(r);
  const std::unique_ptr<int> p = std::move(moved).value();
  EXPECT_EQ(*p, 3);
  moved = error(Code::internal, "gone");
  EXPECT_EQ(moved.status().message(), "gone");
}

}  // namespace
}  // namespace cairn
