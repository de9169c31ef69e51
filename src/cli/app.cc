#include "cli/app.h"

#include <sys/stat.h>
#include <unistd.h>

#include <clocale>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>

#include "base/units.h"
#include "cli/console.h"
#include "cli/context.h"
#include "cli/error_notification.h"
#include "cli/log_file.h"

#include "cli/usage.h"
#include "cli/values.h"
#include "cli/version.h"
#include "sys/signals.h"

namespace cairn::cli {
namespace {

std::optional<std::string> process_environment(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

std::string program_name(const std::string& argument_zero) {
  const std::string name = argument_zero.substr(argument_zero.rfind('/') + 1);
  return name.empty() ? "cairn" : name;
}

int print_out(const std::string& text) {
  const bool ok = std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
  return ok ? 0 : 1;
}

int answer_request(const CommandTable& table, const ParseResult& parsed, const std::string& program) {
  UsageOptions options;
  options.program = program;
  switch (parsed.request) {
    case Request::usage:
      break;
    case Request::usage_long:
      options.all_commands = true;
      break;
    case Request::usage_full:
      options.all_commands = options.with_hidden = true;
      break;
    case Request::manual:
      return print_out(manual_page(table, parsed.help_topic, program));
    case Request::markdown:
      return print_out(parsed.help_topic == nullptr ? markdown_manual(table, program)
                                                    : markdown_page(table, *parsed.help_topic, program));
    case Request::version:
      return print_out(version_text() + "\n");
    case Request::script_bash:
      return print_out(completion_script(Shell::bash, program));
    case Request::script_zsh:
      return print_out(completion_script(Shell::zsh, program));
    case Request::script_fish:
      return print_out(completion_script(Shell::fish, program));
    case Request::run:
      return 1;
  }
  return print_out(usage_text(table, parsed.help_topic, options));
}

int report_parse_error(const ParseResult& parsed, const std::string& program) {
  std::string line = (parsed.bare_message ? "kopia" : program) + ": error: " + parsed.status.message();
  const bool try_help = !parsed.bare_message && !parsed.status.is(Code::unsupported);
  line += try_help ? ", try --help\n" : "\n";
  if (!parsed.suggestion.empty() && program == "cairn") {
    line += "did you mean '" + parsed.suggestion + "'?\n";
  }
  write_fd(STDERR_FILENO, line);
  return 1;
}

log::Level level_of(const std::string& name) {
  return name == "debug"   ? log::Level::debug
         : name == "info"  ? log::Level::info
         : name == "error" ? log::Level::error
                           : log::Level::warning;
}

// Kopia does not read the variables, so a value that is no level must not fail the command.
log::Level chosen_level(const ParsedCommand& command, const Context& context, const char* flag, const char* variable) {
  const std::string from_environment = context.env(variable);
  for (const char* level : {"debug", "info", "warning", "warn", "error"}) {
    if (!command.on_command_line(flag) && from_environment == level) {
      return level_of(level);
    }
  }
  return level_of(command.text(flag));
}

std::string log_directory(const ParsedCommand& command) {
  if (command.given("log-dir")) {
    return command.text("log-dir");
  }
  return repo::default_log_directory();
}

LogFileOptions log_file_options(const ParsedCommand& command, const Context& context) {
  LogFileOptions options;
  options.file = command.text("log-file");
  options.directory = log_directory(command);
  options.command = command.command()->path;
  for (char& c : options.command) {
    c = c == ' ' ? '-' : c;
  }
  options.level = chosen_level(command, context, "file-log-level", "KOPIA_FILE_LOG_LEVEL");
  options.json = command.boolean("json-log-file");
  options.local_time = command.boolean("file-log-local-tz");
  options.segment_bytes_max = command.integer("max-log-file-segment-size", options.segment_bytes_max);
  return options;
}

void set_up_logging(const ParsedCommand& command, const Context& context) {
  ConsoleOptions console;
  console.level = chosen_level(command, context, "log-level", "KOPIA_LOG_LEVEL");
  console.json = command.boolean("json-log-console");
  console.timestamps = command.boolean("console-timestamps");
  console.colour = context.colour();
  log::add_sink(make_console_sink(console));
  const bool off = command.boolean("disable-file-logging") ||
                   (command.on_command_line("log-dir") && command.text("log-dir").empty());
  if (!off) {
    if (auto sink = make_log_file_sink(log_file_options(command, context))) {
      log::add_sink(std::move(sink));
    }
  }
}

void sweep_log_directories(const ParsedCommand& command) {
  if (command.boolean("disable-file-logging") || log_directory(command).empty()) {
    return;
  }
  const auto limits = [&](const std::string& prefix) {
    SweepLimits found;
    found.files_max = command.integer(prefix + "-max-files", found.files_max);
    found.age_max = command.duration(prefix + "-max-age", found.age_max);
    found.bytes_max = static_cast<std::int64_t>(command.real(prefix + "-max-total-size-mb", 1000) * 1e6);
    return found;
  };
  const Timestamp now = system_clock().now();
  sweep_logs(log_directory(command) + "/cli-logs", limits("log-dir"), now);
  sweep_logs(log_directory(command) + "/content-logs", limits("content-log-dir"), now);
}

// Human output is in the zone of --timezone; an unknown one leaves the local zone.
void set_time_zone(const std::string& zone) {
  if (zone.empty() || zone == "local") {
    return;
  }
  const bool utc = zone == "utc" || zone == "UTC" || zone == "original";
  std::error_code ignored;
  if (!utc && (zone.find("..") != std::string::npos ||
               !std::filesystem::is_regular_file("/usr/share/zoneinfo/" + zone, ignored))) {
    return;
  }
  ::setenv("TZ", utc ? "UTC" : zone.c_str(), 1);
  ::tzset();
}

Status run_dangerous_check(const ParsedCommand& command) {
  bool dangerous = false;  // a group makes all its commands so
  for (const CommandSpec* c = command.command(); c != nullptr; c = command_table().parent(*c)) {
    dangerous = dangerous || c->dangerous;
  }
  if (!dangerous || command.text("dangerous-commands") == "enabled") {
    return {};
  }
  return error(
      Code::failed_precondition,
      "\nThis command is dangerous, it can corrupt the repository and result in data loss.\n\n"
      "Running this command is not needed for using Kopia. Instead, rely on periodic repository maintenance. See "
      "https://kopia.io/docs/advanced/maintenance/ for more information.\n"
      "To run this command despite the warning, set --dangerous-commands=enabled\n");
}

Status run_command(Context& context, const ParsedCommand& command) {
  TRY(run_dangerous_check(command));
  log::debug(kLogModule, "command: {}", command.command()->path);
  Status status = command.command()->run(context, command);
  Status written = context.finish();
  return status.ok() ? std::move(written) : std::move(status);
}

// The last line of a failing command has no level word and is shown whatever the log level.
void report_failure(const Status& status, const Context& context) {
  log::debug(kLogModule, "failed: {}", status.message());
  const std::string& text = status.message();
  write_fd(STDERR_FILENO, context.colour() ? "\033[91m" + text + "\033[0m\n" : text + "\n");
}

}  // namespace

int run_program(const std::vector<std::string>& words) {
  const std::string program = program_name(words.empty() ? "" : words.front());
  const CommandTable& table = command_table();
  const std::vector<std::string> rest(words.begin() + (words.empty() ? 0 : 1), words.end());
  if (!rest.empty() && rest.front() == "--completion-bash") {
    std::string out;
    for (const std::string& candidate : completions(table, {rest.begin() + 1, rest.end()})) {
      out += candidate + "\n";
    }
    return print_out(out);
  }
  const ParseResult parsed = parse_command_line(table, rest, process_environment);
  if (!parsed.status.ok()) {
    return report_parse_error(parsed, program);
  }
  if (parsed.request != Request::run) {
    return answer_request(table, parsed, program);
  }
  const ParsedCommand& command = parsed.command;
  set_time_zone(command.text("timezone"));
  sys::ignore_sigpipe();
  const sys::SignalStop signals;
  Context context(program, command, process_environment, signals.token());
  set_bytes_base2(context.env_true("KOPIA_BYTES_STRING_BASE_2"));
  set_up_logging(command, context);
  const Timestamp started = system_clock().now();
  const Status status = run_command(context, command);
  if (!status.ok()) {
    notify_about_failure(context, status, started);
    report_failure(status, context);
  }
  context.close_repository_log();
  sweep_log_directories(command);
  log::clear_sinks();
  return status.ok() ? 0 : 1;
}

}  // namespace cairn::cli
