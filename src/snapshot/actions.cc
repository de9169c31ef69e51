#include "snapshot/actions.h"

#include "base/log.h"
#include "base/random.h"
#include "sys/file.h"
#include "sys/process.h"

namespace cairn::snapshot {
namespace {

constexpr std::int64_t kDefaultTimeoutSeconds = 180;
// The interface that actions were written for.
constexpr std::string_view kInterfaceVersion = "0.23.1";
constexpr std::string_view kRedirectPrefix = "KOPIA_SNAPSHOT_PATH=";

Result<std::vector<std::string>> command_line(const ActionCommand& command, const std::string& name,
                                              const std::string& work_dir) {
  std::vector<std::string> argv;
  if (!command.script.empty()) {
    const std::string file = sys::join_path(work_dir, name + ".sh");
    TRY(sys::write_file_atomic(file, as_bytes(command.script), 0700));
    if (!command.script.starts_with("#!")) {
      argv = {"sh", "-e"};
    }
    argv.push_back(file);
    return argv;
  }
  if (command.path.empty()) {
    return error(Code::invalid_argument, "action did not provide either script nor command to run");
  }
  argv.push_back(command.path);
  argv.insert(argv.end(), command.args.begin(), command.args.end());
  return argv;
}

}  // namespace

ActionRun::ActionRun(std::string kind, std::string path, std::optional<ActionCommand> before,
                     std::optional<ActionCommand> after, bool enabled)
    : kind_(std::move(kind)),
      source_path_(std::move(path)),
      snapshot_path_(source_path_),
      id_(random_hex(8)),
      before_(std::move(before)),
      after_(std::move(after)),
      enabled_(enabled) {}

bool ActionRun::allowed(const std::optional<ActionCommand>& command, const std::string& name) const {
  if (!command) {
    return false;
  }
  if (!enabled_) {
    log::info("upload", "Not executing {} action on {} because it's been disabled for this client.", name,
              source_path_);
  }
  return enabled_;
}

Status ActionRun::before(std::stop_token stop) {
  const std::string name = "before-" + kind_;
  if (!allowed(before_, name)) {
    return {};
  }
  Status status = run(*before_, name, true, stop);
  if (!status.ok() && before_->mode != "essential" && !status.is(Code::cancelled)) {
    log::info("upload", "error running non-essential action command: {}", status.message());
    return {};
  }
  before_failed_ = !status.ok();
  return status;
}

void ActionRun::after(std::stop_token stop) {
  const std::string name = "after-" + kind_;
  if (before_failed_ || !allowed(after_, name)) {
    return;
  }
  const Status status = run(*after_, name, false, stop);
  if (!status.ok()) {
    log::info("upload", "error running {} action command: {}", name, status.message());
  }
}

Status ActionRun::run(const ActionCommand& command, const std::string& name, bool read_output, std::stop_token stop) {
  TRY_ASSIGN(sys::TempDir work_dir, sys::TempDir::make("cairn-action-"), "error creating temporary directory");
  sys::ProcessOptions options;
  TRY_ASSIGN(options.argv, command_line(command, name, work_dir.path()));
  options.cwd = work_dir.path();
  options.env = {"KOPIA_ACTION=" + name, "KOPIA_SNAPSHOT_ID=" + id_, "KOPIA_SOURCE_PATH=" + source_path_,
                 "KOPIA_SNAPSHOT_PATH=" + snapshot_path_, "KOPIA_VERSION=" + std::string(kInterfaceVersion)};
  options.timeout = seconds(command.timeout_seconds > 0 ? command.timeout_seconds : kDefaultTimeoutSeconds);
  if (command.mode == "async") {
    options.capture_stdout = false;
    if (command.script.empty()) {
      options.cwd = sys::temp_directory();
    } else {
      // The directory holds the script, which may be read for as long as it runs, and goes with it.
      options.argv.insert(options.argv.begin(), {"/bin/sh", "-c", "\"$@\"; rm -rf -- \"$0\"", work_dir.release()});
    }
    return sys::spawn_detached(options);
  }
  Result<sys::ProcessResult> result = sys::run_process(options, stop);
  if (!result.ok()) {
    return result.code() == Code::deadline ? error(Code::deadline, "signal: killed") : std::move(result).status();
  }
  if (!result->ok()) {
    return error(Code::failed_precondition, "{}", result->text());
  }
  if (read_output) {
    read_redirect(result->out.text());
  }
  return {};
}

void ActionRun::read_redirect(std::string_view output) {
  while (!output.empty()) {
    const std::size_t end = std::min(output.find('\n'), output.size());
    std::string_view line = output.substr(0, end);
    output.remove_prefix(std::min(end + 1, output.size()));
    if (line.ends_with('\r')) {
      line.remove_suffix(1);
    }
    if (line.starts_with(kRedirectPrefix)) {
      snapshot_path_ = line.substr(kRedirectPrefix.size());
    }
  }
}

}  // namespace cairn::snapshot
