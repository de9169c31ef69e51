#include "sys/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <limits>

extern char** environ;

namespace cairn::sys {
namespace {

constexpr int kPollTickMs = 20;  // where the kernel has no pidfd

struct Pipe {
  UniqueFd read, write;
};

Result<Pipe> make_pipe() {
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0) {
    return errno_status(errno, "pipe");
  }
  return Pipe{UniqueFd(fds[0]), UniqueFd(fds[1])};
}

// Everything exec needs, made before fork: after it only async-signal-safe calls are allowed.
struct ExecImage {
  std::string program;
  std::vector<std::string> env_texts;
  std::vector<char*> argv, env;
};

bool is_executable(const std::string& path) {
  struct stat st;
  return ::stat(path.c_str(), &st) == 0 && S_ISREG(st.st_mode) && ::access(path.c_str(), X_OK) == 0;
}

Result<std::string> find_program(const std::string& name) {
  if (name.find('/') != std::string::npos) {
    return name;
  }
  const char* path = std::getenv("PATH");
  std::string_view rest = path != nullptr ? path : "/usr/local/bin:/usr/bin:/bin";
  while (!rest.empty()) {
    const std::size_t colon = std::min(rest.find(':'), rest.size());
    const std::string_view dir = rest.substr(0, colon);
    rest.remove_prefix(std::min(colon + 1, rest.size()));
    // An empty element would mean the working directory: not searched, as it is a trap.
    if (!dir.empty()) {
      if (std::string candidate = join_path(dir, name); is_executable(candidate)) {
        return candidate;
      }
    }
  }
  return error(Code::not_found, "exec: \"{}\": executable file not found in $PATH", name);
}

std::string_view env_name(std::string_view entry) { return entry.substr(0, entry.find('=')); }

Result<ExecImage> make_image(const ProcessOptions& options) {
  if (options.argv.empty()) {
    return error(Code::invalid_argument, "exec: no command");
  }
  ExecImage image;
  TRY_ASSIGN(image.program, find_program(options.argv[0]));
  for (char** e = environ; e != nullptr && *e != nullptr; ++e) {
    const bool replaced = std::any_of(options.env.begin(), options.env.end(),
                                      [&](const std::string& added) { return env_name(added) == env_name(*e); });
    if (!replaced) {
      image.env_texts.emplace_back(*e);
    }
  }
  image.env_texts.insert(image.env_texts.end(), options.env.begin(), options.env.end());
  for (const std::string& a : options.argv) {
    image.argv.push_back(const_cast<char*>(a.c_str()));
  }
  image.argv.push_back(nullptr);
  for (const std::string& e : image.env_texts) {
    image.env.push_back(const_cast<char*>(e.c_str()));
  }
  image.env.push_back(nullptr);
  return image;
}

struct ChildFds {
  int in = -1, out = -1, err = -1;  // −1: inherited
  bool null_in = false;
};

// In the child: sets it up and executes; on failure sends errno through `report` and exits.
[[noreturn]] void become_program(const ExecImage& image, const ProcessOptions& options, const ChildFds& fds,
                                 int report) {
  const auto fail = [report]() {
    const int err = errno;
    (void)!::write(report, &err, sizeof err);
    ::_exit(127);
  };
  struct sigaction action = {};
  action.sa_handler = SIG_DFL;
  for (const int number : {SIGPIPE, SIGINT, SIGTERM, SIGCHLD}) {
    ::sigaction(number, &action, nullptr);
  }
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  if (options.own_group) {
    ::setpgid(0, 0);
  }
  if (options.die_with_thread) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  }
  int in = fds.in;
  if (in < 0 && fds.null_in) {
    in = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  }
  if ((in >= 0 && ::dup2(in, STDIN_FILENO) < 0) || (fds.out >= 0 && ::dup2(fds.out, STDOUT_FILENO) < 0) ||
      (fds.err >= 0 && ::dup2(fds.err, STDERR_FILENO) < 0)) {
    fail();
  }
  if (!options.cwd.empty() && ::chdir(options.cwd.c_str()) != 0) {
    fail();
  }
  ::execve(image.program.c_str(), image.argv.data(), image.env.data());
  fail();
  ::_exit(127);
}

Status exec_failure(const ProcessOptions& options, const ExecImage& image, int err) {
  if (err == ENOENT && !options.cwd.empty() && !is_directory(options.cwd)) {
    return errno_status(err, fmt::format("chdir {}", options.cwd));
  }
  return errno_status(err, fmt::format("fork/exec {}", image.program));
}

// Reads the errno that the child reports, 0 when exec closed the pipe.
int read_report(int fd) {
  int err = 0;
  ssize_t n;
  do {
    n = ::read(fd, &err, sizeof err);
  } while (n < 0 && errno == EINTR);
  return n == sizeof err ? err : 0;
}

int reap(pid_t pid, int flags, int* status) {
  int r;
  do {
    r = ::waitpid(pid, status, flags);
  } while (r < 0 && errno == EINTR);
  return r;
}

Result<pid_t> start_child(const ProcessOptions& options, const ChildFds& fds) {
  TRY_ASSIGN(const ExecImage image, make_image(options));
  TRY_ASSIGN(Pipe report, make_pipe());
  const pid_t pid = ::fork();
  if (pid < 0) {
    return errno_status(errno, "fork");
  }
  if (pid == 0) {
    become_program(image, options, fds, report.write.get());
  }
  report.write.reset();
  if (const int err = read_report(report.read.get()); err != 0) {
    int status;
    reap(pid, 0, &status);
    return exec_failure(options, image, err);
  }
  return pid;
}

void kill_child(pid_t pid, bool own_group, int number) { ::kill(own_group ? -pid : pid, number); }

ProcessResult to_result(int wait_status) {
  ProcessResult result;
  if (WIFSIGNALED(wait_status)) {
    result.exit_code = -1;
    result.term_signal = WTERMSIG(wait_status);
  } else {
    result.exit_code = WEXITSTATUS(wait_status);
  }
  return result;
}

// Waits for one event of a child: its end, output, a stop, or the deadline.
class ChildPoll {
 public:
  ChildPoll(pid_t pid, Duration timeout, const std::stop_token& stop)
      : pidfd_(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))),
        wake_(::eventfd(0, EFD_CLOEXEC)),
        deadline_ns_(timeout.ns > 0 ? monotonic_ns() + timeout.ns : std::numeric_limits<std::int64_t>::max()),
        stop_(stop),
        on_stop_(stop, Waker{wake_.get()}) {}

  // Sleeps until something may have happened. Errors: cancelled, deadline.
  Status wait(int out_fd) {
    if (stop_.stop_requested()) {
      return error(Code::cancelled, "stopped");
    }
    const std::int64_t left_ns = deadline_ns_ - monotonic_ns();
    if (left_ns <= 0) {
      return error(Code::deadline, "timed out");
    }
    std::int64_t wait_ms = std::min<std::int64_t>(left_ns / 1'000'000 + 1, 3'600'000);
    if (!pidfd_.valid()) {
      wait_ms = std::min<std::int64_t>(wait_ms, kPollTickMs);
    }
    struct pollfd fds[3] = {{wake_.get(), POLLIN, 0}, {pidfd_.get(), POLLIN, 0}, {out_fd, POLLIN, 0}};
    ::poll(fds, 3, static_cast<int>(wait_ms));
    return {};
  }

 private:
  struct Waker {
    int fd;
    void operator()() const {
      const std::uint64_t one = 1;
      (void)!::write(fd, &one, sizeof one);
    }
  };
  UniqueFd pidfd_, wake_;
  std::int64_t deadline_ns_;
  std::stop_token stop_;
  std::stop_callback<Waker> on_stop_;
};

// Takes what the pipe has now. Closes it at its end.
void drain(UniqueFd& fd, ProcessResult& result, std::size_t stdout_max) {
  Byte chunk[16384];
  while (fd.valid()) {
    const ssize_t n = ::read(fd.get(), chunk, sizeof chunk);
    if (n < 0 && errno == EINTR) {
      continue;
    }
    if (n <= 0) {
      if (n == 0 || errno != EAGAIN) {
        fd.reset();
      }
      return;
    }
    const std::size_t room = stdout_max - std::min(stdout_max, result.out.size());
    const std::size_t taken = std::min(room, static_cast<std::size_t>(n));
    result.out.append(ByteView(chunk, taken));
    result.out_truncated |= taken < static_cast<std::size_t>(n);
  }
}

Status set_nonblocking(int fd) {
  return ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK) == 0 ? Status() : errno_status(errno, "fcntl");
}

}  // namespace

std::string ProcessResult::text() const {
  if (term_signal == 0) {
    return fmt::format("exit status {}", exit_code);
  }
  std::string name = ::strsignal(term_signal);
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
  return fmt::format("signal: {}", name);
}

Result<ProcessResult> run_process(const ProcessOptions& options, std::stop_token stop) {
  TRY_ASSIGN(ChildProcess child, ChildProcess::start(options, false, options.capture_stdout, false));
  UniqueFd out(child.stdout_fd() >= 0 ? ::fcntl(child.stdout_fd(), F_DUPFD_CLOEXEC, 3) : -1);
  if (out.valid()) {
    TRY(set_nonblocking(out.get()));
  }
  ProcessResult captured;
  {
    ChildPoll poll(child.pid(), options.timeout, stop);
    while (child.running()) {
      TRY(poll.wait(out.get()), "{}", options.argv[0]);
      drain(out, captured, options.stdout_max);
    }
  }
  // What was written before the end is still in the pipe. Grandchildren may hold it open: not waited for.
  drain(out, captured, options.stdout_max);
  TRY_ASSIGN(ProcessResult result, child.wait({}, {}));
  result.out = std::move(captured.out);
  result.out_truncated = captured.out_truncated;
  return result;
}

Status spawn_detached(const ProcessOptions& options) {
  TRY_ASSIGN(const ExecImage image, make_image(options));
  TRY_ASSIGN(Pipe report, make_pipe());
  const pid_t pid = ::fork();
  if (pid < 0) {
    return errno_status(errno, "fork");
  }
  if (pid == 0) {
    // The child in the middle ends at once, which makes init the parent of the program.
    const pid_t grandchild = ::fork();
    if (grandchild == 0) {
      become_program(image, options, ChildFds{.null_in = options.null_stdin}, report.write.get());
    }
    const int err = grandchild < 0 ? errno : 0;
    if (err != 0) {
      (void)!::write(report.write.get(), &err, sizeof err);
    }
    ::_exit(0);
  }
  report.write.reset();
  int status;
  reap(pid, 0, &status);
  const int err = read_report(report.read.get());
  return err == 0 ? Status() : exec_failure(options, image, err);
}

Result<ChildProcess> ChildProcess::start(const ProcessOptions& options, bool pipe_stdin, bool pipe_stdout,
                                         bool pipe_stderr) {
  Pipe in, out, err;
  if (pipe_stdin) {
    TRY_ASSIGN(in, make_pipe());
  }
  if (pipe_stdout) {
    TRY_ASSIGN(out, make_pipe());
  }
  if (pipe_stderr) {
    TRY_ASSIGN(err, make_pipe());
  }
  ChildProcess child;
  TRY_ASSIGN(child.pid_, start_child(options, ChildFds{in.read.get(), out.write.get(), err.write.get(),
                                                       options.null_stdin && !pipe_stdin}));
  child.own_group_ = options.own_group;
  child.stdin_ = std::move(in.write);
  child.stdout_ = std::move(out.read);
  child.stderr_ = std::move(err.read);
  return child;
}

ChildProcess::ChildProcess(ChildProcess&& o) noexcept
    : pid_(std::exchange(o.pid_, -1)),
      own_group_(o.own_group_),
      stdin_(std::move(o.stdin_)),
      stdout_(std::move(o.stdout_)),
      stderr_(std::move(o.stderr_)),
      wait_status_(o.wait_status_),
      reaped_(o.reaped_) {}

ChildProcess& ChildProcess::operator=(ChildProcess&& o) noexcept {
  if (this != &o) {
    finish();
    pid_ = std::exchange(o.pid_, -1);
    own_group_ = o.own_group_;
    stdin_ = std::move(o.stdin_);
    stdout_ = std::move(o.stdout_);
    stderr_ = std::move(o.stderr_);
    wait_status_ = o.wait_status_;
    reaped_ = o.reaped_;
  }
  return *this;
}

ChildProcess::~ChildProcess() { finish(); }

void ChildProcess::finish() noexcept {
  if (running()) {
    kill_child(pid_, own_group_, SIGKILL);
    reap(pid_, 0, &wait_status_);
  }
  pid_ = -1;
}

bool ChildProcess::running() {
  if (pid_ < 0 || reaped_) {
    return false;
  }
  reaped_ = reap(pid_, WNOHANG, &wait_status_) != 0;
  return !reaped_;
}

void ChildProcess::signal(int number) {
  if (running()) {
    kill_child(pid_, own_group_, number);
  }
}

Result<ProcessResult> ChildProcess::wait(Duration timeout, std::stop_token stop) {
  if (running()) {
    ChildPoll poll(pid_, timeout, stop);
    while (running()) {
      TRY(poll.wait(-1));
    }
  }
  return to_result(wait_status_);
}

}  // namespace cairn::sys
