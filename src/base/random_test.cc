#include "base/random.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <set>

namespace cairn {
namespace {

TEST(Random, ValuesDiffer) {
  std::set<std::string> seen;
  for (int i = 0; i < 2000; ++i) {
    seen.insert(random_hex(12));
  }
  EXPECT_EQ(seen.size(), 2000U);
  EXPECT_EQ(random_hex(5000).size(), 10000U);
  EXPECT_NE(random_u64(), random_u64());
}

TEST(Random, AForkedChildDrawsOtherBytes) {
  random_u64();  // a block is in use
  int pipe_ends[2];
  ASSERT_EQ(pipe(pipe_ends), 0);
  const pid_t child = fork();
  if (child == 0) {
    const std::uint64_t v = random_u64();
    _exit(write(pipe_ends[1], &v, sizeof v) == sizeof v ? 0 : 1);
  }
  std::uint64_t of_child = 0;
  ASSERT_EQ(read(pipe_ends[0], &of_child, sizeof of_child), static_cast<ssize_t>(sizeof of_child));
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_NE(random_u64(), of_child);
  close(pipe_ends[0]);
  close(pipe_ends[1]);
}

}  // namespace
}  // namespace cairn
