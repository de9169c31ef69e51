#include "blob/filesystem/call_limits.h"

#include <gtest/gtest.h>

#include <thread>

namespace cairn::blob {
namespace {

TEST(CallLimits, RetriesWhatANewLookMayCure) {
  const CallLimits limits(seconds(60), 0, {});
  int calls = 0;
  const Result<int> result = limits.retry(
      5, [&]() -> Result<int> { return ++calls < 3 ? Result<int>(errno_status(ESTALE, "read")) : Result<int>(7); });
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(*result, 7);
  EXPECT_EQ(calls, 3);
}

TEST(CallLimits, IsBounded) {
  const CallLimits limits(seconds(60), 0, {});
  int calls = 0;
  EXPECT_EQ(limits
                .retry(3,
                       [&] {
                         ++calls;
                         return errno_status(EIO, "read");
                       })
                .code(),
            Code::unavailable);
  EXPECT_EQ(calls, 3);
  calls = 0;
  EXPECT_EQ(limits
                .retry(3,
                       [&] {
                         ++calls;
                         return errno_status(ENOENT, "open");
                       })
                .code(),
            Code::not_found);
  EXPECT_EQ(limits
                .retry(3,
                       [&] {
                         ++calls;
                         return errno_status(ENOSPC, "write");
                       })
                .code(),
            Code::resource_exhausted);
  EXPECT_EQ(calls, 2);
}

TEST(CallLimits, DeadlineGrowsWithTheBytes) {
  EXPECT_EQ(CallLimits(seconds(-5), 0, {}).check().code(), Code::deadline);
  EXPECT_TRUE(CallLimits(seconds(-5), 60 << 20, {}).check().ok());
  const CallLimits near(milliseconds(120), 0, {});
  int calls = 0;
  EXPECT_EQ(near.retry(1000,
                       [&] {
                         ++calls;
                         return errno_status(EIO, "read");
                       })
                .code(),
            Code::deadline);
  EXPECT_LE(calls, 3);
}

TEST(CallLimits, StopEndsTheWait) {
  std::stop_source stop;
  const CallLimits limits(seconds(600), 0, stop.get_token());
  std::jthread later([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
    stop.request_stop();
  });
  EXPECT_EQ(limits.retry(1000, [] { return errno_status(EIO, "read"); }).code(), Code::cancelled);
}

}  // namespace
}  // namespace cairn::blob
