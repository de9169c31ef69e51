// Child processes: actions, external ssh and rclone, password commands, editors.
#pragma once

#include <sys/types.h>

#include <stop_token>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/status.h"
#include "base/time.h"
#include "sys/file.h"

namespace cairn::sys {

struct ProcessOptions {
  std::vector<std::string> argv;     // argv[0] is looked up in PATH unless it has a slash; no shell is involved
  std::vector<std::string> env;      // "NAME=value", added to (and winning over) this process's
  std::string cwd;                   // empty: this process's
  Duration timeout{};                // 0: none
  bool capture_stdout = true;        // otherwise stdout is ours
  std::size_t stdout_max = 1 << 20;  // further output is read and dropped (out_truncated)
  bool null_stdin = true;            // otherwise stdin is ours
  // A group of its own, so that stopping it stops its children too. Programs that use the terminal (editors) need
  // false.
  bool own_group = true;
  // Killed when the thread that started it ends, in whatever way. For helpers that must not outlive us.
  bool die_with_thread = false;
};

struct ProcessResult {
  int exit_code = 0;    // −1 when ended by a signal
  int term_signal = 0;  // 0: exited
  Buffer out;
  bool out_truncated = false;
  bool ok() const { return exit_code == 0 && term_signal == 0; }
  // Go's text: "exit status 3", "signal: killed".
  std::string text() const;
};

// Runs to the end; stderr is ours. A program that fails is not an error of this function. Errors: not_found or
// permission_denied (cannot be started), deadline (timeout; killed), cancelled (stop; killed).
Result<ProcessResult> run_process(const ProcessOptions& options, std::stop_token stop);

// Starts and does not wait: the child lives on by itself (also after this process) and is reaped by init. Its output is
// ours. The timeout and the capture options do not apply. Errors: as run_process, when it cannot be started.
Status spawn_detached(const ProcessOptions& options);

// A child with pipes to its stdin and stdout (external ssh, rclone). Killed and reaped by the destructor.
class ChildProcess {
 public:
  static Result<ChildProcess> start(const ProcessOptions& options, bool pipe_stdin, bool pipe_stdout, bool pipe_stderr);
  ChildProcess(ChildProcess&& o) noexcept;
  ChildProcess& operator=(ChildProcess&& o) noexcept;
  ~ChildProcess();
  pid_t pid() const { return pid_; }
  int stdin_fd() const { return stdin_.get(); }
  int stdout_fd() const { return stdout_.get(); }
  int stderr_fd() const { return stderr_.get(); }
  void close_stdin() { stdin_.reset(); }
  bool running();
  void signal(int number);
  // Errors: deadline, cancelled; the child lives on in both cases.
  Result<ProcessResult> wait(Duration timeout, std::stop_token stop);

 private:
  ChildProcess() = default;
  void finish() noexcept;
  pid_t pid_ = -1;
  bool own_group_ = true;
  UniqueFd stdin_, stdout_, stderr_;
  int wait_status_ = 0;
  bool reaped_ = false;
};

}  // namespace cairn::sys
