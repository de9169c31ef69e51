#include "blob/filesystem/call_guard.h"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <thread>
#include <vector>

namespace cairn::blob {
namespace {

TEST(CallGuard, ReturnsWhatTheCallReturns) {
  const CallLimits limits(seconds(60), 0, {});
  const Result<int> number = guarded(limits, [] { return Result<int>(7); });
  ASSERT_TRUE(number.ok());
  EXPECT_EQ(*number, 7);
  EXPECT_EQ(guarded(limits, [] { return errno_status(ENOENT, "open"); }).code(), Code::not_found);
}

TEST(CallGuard, LeavesACallThatHangs) {
  auto answer = std::make_shared<std::latch>(1);
  auto ended = std::make_shared<std::latch>(1);
  const CallLimits limits(milliseconds(50), 0, {});
  const auto hang = [answer, ended] {
    answer->wait();
    ended->count_down();
    return Status();
  };
  EXPECT_EQ(guarded(limits, hang).code(), Code::deadline);
  answer->count_down();  // the server is back: what was left ends without harm
  ended->wait();
}

TEST(CallGuard, AStopEndsTheWait) {
  std::stop_source stop;
  auto answer = std::make_shared<std::latch>(1);
  const CallLimits limits(seconds(600), 0, stop.get_token());
  stop.request_stop();
  EXPECT_EQ(guarded(limits,
                    [answer] {
                      answer->wait();
                      return Status();
                    })
                .code(),
            Code::cancelled);
  answer->count_down();
}

TEST(CallGuard, ACallThatNoticesItsLimitsAnswersItself) {
  const CallLimits limits(milliseconds(50), 0, {});
  const Status status = guarded(limits, [limits] {
    while (limits.check().ok()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return error(Code::deadline, "noticed");
  });
  EXPECT_EQ(status.message(), "noticed");
}

TEST(CallGuard, ManyCallersAtOnce) {
  const CallLimits limits(seconds(60), 0, {});
  std::atomic<int> sum{0};
  {
    std::vector<std::jthread> callers;
    for (int t = 0; t < 8; ++t) {
      callers.emplace_back([&] {
        for (int i = 0; i < 200; ++i) {
          sum += *guarded(limits, [] { return Result<int>(1); });
        }
      });
    }
  }
  EXPECT_EQ(sum.load(), 1600);
}

}  // namespace
}  // namespace cairn::blob
