// What a command works with: its program name, streams, global flags, configuration, password and stop request.
#pragma once

#include <fmt/core.h>

#include <memory>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/log.h"
#include "base/time.h"
#include "cli/parser.h"
#include "repo/repository.h"
#include "repo/repository_log.h"

namespace cairn::cli {

inline constexpr std::string_view kLogModule = "cli";

class Context {
 public:
  Context(std::string program, const ParsedCommand& command, Environment environment, std::stop_token stop);
  ~Context();
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  // Base name of argument zero: "kopia", "cairn".
  const std::string& program() const { return program_; }
  const ParsedCommand& command() const { return command_; }
  std::stop_token stop() const { return stop_; }
  std::string env(const std::string& name) const { return environment_(name).value_or(""); }
  bool env_true(const std::string& name) const;

  // Results, and nothing else, go to standard output. Failures are reported once, by finish().
  void write(std::string_view text);
  template <class... A>
  void print(fmt::format_string<A...> f, A&&... a) {
    write(fmt::format(f, std::forward<A>(a)...));
  }
  // Writes out what is buffered. Errors: the stream's, also earlier ones.
  Status finish();

  // A line for people on standard error (and in the log file); --log-level may silence it.
  template <class... A>
  void notice(fmt::format_string<A...> f, A&&... a) {
    flush_before_notice();
    log::write(log::Level::info, kLogModule, fmt::format(f, std::forward<A>(a)...));
  }
  template <class... A>
  void warn(fmt::format_string<A...> f, A&&... a) {
    flush_before_notice();
    log::write(log::Level::warning, kLogModule, fmt::format(f, std::forward<A>(a)...));
  }

  bool colour() const { return colour_; }
  // Progress lines are wanted: --progress, by default when standard output is a terminal.
  bool progress() const { return progress_; }
  Duration progress_interval() const;

  // Absolute, or as given when it is relative with a directory part.
  const std::string& config_path() const { return config_path_; }
  bool upgrade_lock_enabled() const { return !env("KOPIA_UPGRADE_LOCK_ENABLED").empty(); }

  // --password or its environment variable, trimmed; "" when neither is given.
  std::string given_password() const;
  // For an existing connection: given, else persisted, else asked for.
  Result<std::string> password_of_connection();

  struct OpenRequest {
    bool read_only = false;  // besides what the configuration says
    bool defer_indexes = false;
    std::string upgrade_owner{};  // whose upgrade lock does not count; "" = --upgrade-owner-id
  };
  // Errors carry the frame "open repository"; a failed opening has been announced by a line of its own.
  Result<std::unique_ptr<repo::Repository>> open_repository(OpenRequest request);
  Result<std::unique_ptr<repo::Repository>> open_repository() { return open_repository({}); }
  // For a last look when a command has failed: read-only, with the password that opened it before, without words. Null
  // when the command had opened none.
  Result<std::unique_ptr<repo::Repository>> reopen_repository();
  repo::OpenOptions open_options() const;
  // Stores the log lines of what was opened for writing, if the repository may keep them; a failure is only logged.
  void close_repository_log();

 private:
  void flush_before_notice();
  Status open_repository_log(repo::Repository& repository);
  std::string program_;
  const ParsedCommand& command_;
  Environment environment_;
  std::stop_token stop_;
  std::string config_path_;
  std::shared_ptr<repo::RepositoryLog> repository_log_;
  SecretBytes opened_with_;  // password of the repository that was opened
  std::string opened_as_;    // … and the owner of upgrades it was opened as
  bool colour_ = false, progress_ = false;
  int output_error_ = 0;
};

}  // namespace cairn::cli
