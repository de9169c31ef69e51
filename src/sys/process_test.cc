#include "sys/process.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include "sys/signals.h"

namespace cairn::sys {
namespace {

ProcessOptions shell(const char* script) {
  ProcessOptions options;
  options.argv = {"sh", "-c", script};
  return options;
}

TEST(Process, CapturesOutputAndExitCode) {
  auto options = shell("printf '%s|%s' \"$X\" \"$(pwd)\"; exit 3");
  options.env = {"X=a b"};
  options.cwd = "/";
  auto result = run_process(options, {});
  ASSERT_TRUE(result.ok()) << result.status().message();
  EXPECT_EQ(result->out.text(), "a b|/");
  EXPECT_EQ(result->exit_code, 3);
  EXPECT_EQ(result->text(), "exit status 3");
  EXPECT_FALSE(result->ok());
}

TEST(Process, BoundsTheOutput) {
  auto options = shell("head -c 300000 /dev/zero");
  options.stdout_max = 1000;
  auto result = run_process(options, {});
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->out.size(), 1000u);
  EXPECT_TRUE(result->out_truncated);
  EXPECT_TRUE(result->ok());
}

TEST(Process, CannotStart) {
  ProcessOptions options;
  options.argv = {"no-such-program-here"};
  EXPECT_EQ(run_process(options, {}).code(), Code::not_found);
  options.argv = {"/no/such/program"};
  EXPECT_EQ(run_process(options, {}).code(), Code::not_found);
  EXPECT_EQ(spawn_detached(options).code(), Code::not_found);
  auto wrong_directory = shell("true");
  wrong_directory.cwd = "/no/such/directory";
  EXPECT_EQ(run_process(wrong_directory, {}).status().message(), "chdir /no/such/directory: no such file or directory");
}

TEST(Process, TimeoutKillsTheGroup) {
  auto options = shell("sleep 100 & echo $!; wait");
  options.timeout = milliseconds(300);
  const std::int64_t start_ns = monotonic_ns();
  EXPECT_EQ(run_process(options, {}).code(), Code::deadline);
  EXPECT_LT(monotonic_ns() - start_ns, 20'000'000'000);
}

TEST(Process, StopKills) {
  std::stop_source stop;
  std::jthread later([&stop] {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    stop.request_stop();
  });
  EXPECT_EQ(run_process(shell("sleep 100"), stop.get_token()).code(), Code::cancelled);
}

TEST(Process, EndBySignal) {
  auto result = run_process(shell("kill -9 $$"), {});
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->term_signal, SIGKILL);
  EXPECT_EQ(result->text(), "signal: killed");
}

TEST(Process, DoesNotWaitForGrandchildrenThatHoldThePipe) {
  const std::int64_t start_ns = monotonic_ns();
  auto result = run_process(shell("sleep 30 & echo done"), {});
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->out.text(), "done\n");
  EXPECT_LT(monotonic_ns() - start_ns, 20'000'000'000);
}

TEST(Process, DetachedRunsOn) {
  auto dir = TempDir::make();
  auto options = shell("sleep 0.2; echo x > \"$OUT\"");
  const std::string out = dir->path() + "/out";
  options.env = {"OUT=" + out};
  ASSERT_TRUE(spawn_detached(options).ok());
  EXPECT_FALSE(file_exists(out));
  for (int i = 0; i < 500 && !file_exists(out); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  EXPECT_TRUE(file_exists(out));
}

TEST(Process, PipesBothWays) {
  ProcessOptions options;
  options.argv = {"cat"};
  auto child = ChildProcess::start(options, true, true, false);
  ASSERT_TRUE(child.ok());
  ASSERT_TRUE(write_all(child->stdin_fd(), as_bytes("hello")).ok());
  Buffer got(5);
  std::size_t used = 0;
  while (used < got.size()) {
    auto n = read_some(child->stdout_fd(), got.mut().subspan(used));
    ASSERT_TRUE(n.ok() && *n > 0);
    used += *n;
  }
  EXPECT_EQ(got.text(), "hello");
  EXPECT_TRUE(child->running());
  child->close_stdin();
  auto result = child->wait(seconds(20), {});
  ASSERT_TRUE(result.ok());
  EXPECT_TRUE(result->ok());
}

TEST(SignalStop, FirstSignalStopsSecondEnds) {
  const pid_t pid = ::fork();
  ASSERT_GE(pid, 0);
  if (pid == 0) {
    SignalStop stop;
    ::raise(SIGTERM);
    for (int i = 0; i < 1000 && !stop.token().stop_requested(); ++i) {
      ::usleep(10'000);
    }
    if (!stop.token().stop_requested() || stop.received() != SIGTERM) {
      ::_exit(1);
    }
    ::raise(SIGTERM);
    ::_exit(2);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(pid, &status, 0), pid);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM) << status;
}

}  // namespace
}  // namespace cairn::sys
