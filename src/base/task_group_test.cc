#include "base/task_group.h"

#include <gtest/gtest.h>

#include <atomic>

#include "base/sleep.h"

namespace cairn {
namespace {

TEST(TaskGroup, RunsEverything) {
  std::atomic<int> sum{0};
  TaskGroup group({.worker_count = 3, .queue_max = 2}, {});
  for (int i = 1; i <= 100; ++i) {
    ASSERT_TRUE(group.submit([&sum, i](std::stop_token) {
      sum += i;
      return Status();
    }));
  }
  EXPECT_TRUE(group.join().ok());
  EXPECT_EQ(sum, 5050);
}

TEST(TaskGroup, TheFirstRealErrorWinsOverCancellations) {
  TaskGroup group({.worker_count = 4, .queue_max = 16}, {});
  for (int i = 0; i < 3; ++i) {
    group.submit([](std::stop_token stop) {
      while (sleep_for(seconds(60), stop)) {
      }
      return Status(Code::cancelled, "cancelled");
    });
  }
  group.submit([](std::stop_token) { return error(Code::corrupt, "pack {}", 1); });
  const Status s = group.join();
  EXPECT_EQ(s.code(), Code::corrupt);
  EXPECT_EQ(s.message(), "pack 1");
}

TEST(TaskGroup, StopEndsTasksAndRefusesNewOnes) {
  std::stop_source source;
  TaskGroup group({.worker_count = 1, .queue_max = 1}, source.get_token());
  group.submit([](std::stop_token stop) {
    sleep_for(seconds(60), stop);
    return Status(Code::cancelled, "cancelled");
  });
  source.request_stop();
  EXPECT_EQ(group.join().code(), Code::cancelled);
}

TEST(TaskGroup, TasksMaySubmitTasks) {
  std::atomic<int> ran{0};
  TaskGroup group({.worker_count = 2, .queue_max = 1}, {});
  group.submit([&](std::stop_token) {
    for (int i = 0; i < 50; ++i) {
      group.submit_unbounded([&](std::stop_token) {
        ++ran;
        return Status();
      });
    }
    return Status();
  });
  EXPECT_TRUE(group.join().ok());
  EXPECT_EQ(ran, 50);
}

TEST(ParallelFor, VisitsEachOnceAndStopsAtAnError) {
  std::vector<std::atomic<int>> seen(1000);
  EXPECT_TRUE(parallel_for(1000, 4, {}, [&](std::size_t i, std::stop_token) {
                ++seen[i];
                return Status();
              }).ok());
  for (const auto& n : seen) {
    EXPECT_EQ(n, 1);
  }
  const Status s = parallel_for(1'000'000, 4, {}, [](std::size_t i, std::stop_token) {
    return i == 5 ? error(Code::internal, "five") : Status();
  });
  EXPECT_EQ(s.message(), "five");
}

TEST(Sleep, EndsWhenStopped) {
  std::stop_source source;
  source.request_stop();
  EXPECT_FALSE(sleep_for(hours(1), source.get_token()));
  EXPECT_TRUE(sleep_for(milliseconds(1), {}));
}

}  // namespace
}  // namespace cairn
