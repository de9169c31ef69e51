// Flags of every command (kopia-interfaces §1.2).
#include "cli/commands/commands.h"

namespace cairn::cli {
namespace {

using enum ValueType;

std::vector<FlagSpec> help_flags() {
  return {
      {.name = "help", .help = "Show help for the command"},
      {.name = "help-long", .help = "Show help with the flags of all commands", .hidden = true},
      {.name = "help-full", .help = "Show help with everything, hidden commands and flags too"},
      {.name = "help-man", .help = "Print a manual page", .hidden = true},
      {.name = "help-markdown", .help = "Print the manual of a command, or of all, as Markdown", .hidden = true},
      {.name = "completion-script-bash", .help = "Print the completion script for bash", .hidden = true},
      {.name = "completion-script-zsh", .help = "Print the completion script for zsh", .hidden = true},
      {.name = "completion-script-fish", .help = "Print the completion script for fish", .hidden = true},
      {.name = "version", .help = "Print the version"},
  };
}

std::vector<FlagSpec> connection_flags() {
  return {
      {.name = "config-file",
       .type = text,
       .default_value = "repository.config",
       .env = "KOPIA_CONFIG_PATH",
       .help = "Configuration file of the connection; a bare name is looked up in the configuration directory"},
      {.name = "password", .short_name = 'p', .type = text, .env = "KOPIA_PASSWORD", .help = "Repository password"},
      {.name = "persist-credentials",
       .default_value = "true",
       .env = "KOPIA_PERSIST_CREDENTIALS_ON_CONNECT",
       .help = "Store the password beside the configuration file when connecting"},
      {.name = "use-keyring",
       .default_value = "false",
       .env = "KOPIA_USE_KEYRING",
       .help = "Keep the password in the key ring of the desktop, where there is one"},
      {.name = "auto-maintenance",
       .default_value = "true",
       .help = "Run due maintenance after writing",
       .hidden = true},
      {.name = "upgrade-owner-id",
       .type = text,
       .env = "KOPIA_REPO_UPGRADE_OWNER_ID",
       .help = "Owner of a running format upgrade",
       .hidden = true},
      {.name = "upgrade-no-block",
       .env = "KOPIA_REPO_UPGRADE_NO_BLOCK",
       .help = "Fail instead of waiting while the format is being upgraded",
       .hidden = true},
      {.name = "dangerous-commands",
       .type = text,
       .env = "KOPIA_DANGEROUS_COMMANDS",
       .help = "Set to 'enabled' to run commands that can damage the repository",
       .hidden = true},
  };
}

std::vector<FlagSpec> output_flags() {
  return {
      {.name = "timezone",
       .type = text,
       .default_value = "local",
       .help = "Time zone of printed times: local, utc, original or a zone name",
       .hidden = true},
      {.name = "progress", .help = "Show progress"},
      {.name = "progress-estimation-type",
       .type = choice,
       .default_value = "classic",
       .help = "How the size of the source is estimated",
       .choices = {"classic", "rough", "adaptive"},
       .hidden = true},
      {.name = "progress-update-interval",
       .type = duration,
       .default_value = "300ms",
       .help = "Time between two progress updates",
       .hidden = true},
      {.name = "adaptive-estimation-threshold",
       .type = int64,
       .default_value = "300000",
       .help = "Number of files below which the adaptive estimate counts exactly",
       .hidden = true},
      {.name = "force-color",
       .env = "KOPIA_FORCE_COLOR",
       .help = "Use colours also when not on a terminal",
       .hidden = true},
      {.name = "disable-color", .env = "KOPIA_DISABLE_COLOR", .help = "Never use colours", .hidden = true},
      {.name = "console-timestamps",
       .env = "KOPIA_CONSOLE_TIMESTAMPS",
       .help = "Put the time in front of log lines",
       .hidden = true},
      {.name = "error-notifications",
       .type = choice,
       .default_value = "non-interactive",
       .env = "KOPIA_SEND_ERROR_NOTIFICATIONS",
       .help = "When to notify about a failed command",
       .choices = {"always", "never", "non-interactive"},
       .hidden = true},
  };
}

std::vector<FlagSpec> log_flags() {
  const std::vector<std::string> levels = {"debug", "info", "warning", "error"};
  return {
      {.name = "log-level",
       .type = choice,
       .default_value = "info",
       .help = "Level of log lines on the console; also $KOPIA_LOG_LEVEL",
       .choices = levels,
       .silent_choices = {"warn"}},
      {.name = "file-log-level",
       .type = choice,
       .default_value = "debug",
       .help = "Level of log lines in the log file; also $KOPIA_FILE_LOG_LEVEL",
       .choices = levels,
       .silent_choices = {"warn"}},
      {.name = "log-dir", .type = text, .env = "KOPIA_LOG_DIR", .help = "Directory of log files; empty turns them off"},
      {.name = "log-file", .type = text, .help = "Write the log to this file"},
      {.name = "content-log-file", .type = text, .help = "Write the content log to this file", .hidden = true},
      {.name = "disable-file-logging", .help = "Write no log file"},
      {.name = "disable-content-log", .help = "Write no content log"},
      {.name = "json-log-console", .help = "JSON log lines on the console", .hidden = true},
      {.name = "json-log-file", .help = "JSON log lines in the log file", .hidden = true},
      {.name = "file-log-local-tz",
       .env = "KOPIA_FILE_LOG_LOCAL_TZ",
       .help = "Local times in the log file",
       .hidden = true},
      {.name = "trace-storage", .default_value = "true", .help = "Log every call of the storage", .hidden = true},
      {.name = "disable-repository-log",
       .env = "KOPIA_DISABLE_REPOSITORY_LOG",
       .help = "Write no logs to the repository",
       .hidden = true},
  };
}

std::vector<FlagSpec> log_retention_flags() {
  return {
      {.name = "log-dir-max-files",
       .type = integer,
       .default_value = "1000",
       .env = "KOPIA_LOG_DIR_MAX_FILES",
       .help = "Number of log files to keep",
       .hidden = true},
      {.name = "log-dir-max-age",
       .type = duration,
       .default_value = "720h",
       .env = "KOPIA_LOG_DIR_MAX_AGE",
       .help = "Age of the oldest log file to keep",
       .hidden = true},
      {.name = "log-dir-max-total-size-mb",
       .type = real,
       .default_value = "1000",
       .env = "KOPIA_LOG_DIR_MAX_SIZE_MB",
       .help = "Total size of log files to keep, in MB",
       .hidden = true},
      {.name = "max-log-file-segment-size",
       .type = integer,
       .default_value = "50000000",
       .env = "KOPIA_LOG_FILE_MAX_SEGMENT_SIZE",
       .help = "Size at which a new log file is begun, in bytes",
       .hidden = true},
      {.name = "wait-for-log-sweep",
       .default_value = "true",
       .help = "Remove old log files before the program ends",
       .hidden = true},
      {.name = "content-log-dir-max-files",
       .type = integer,
       .default_value = "5000",
       .env = "KOPIA_CONTENT_LOG_DIR_MAX_FILES",
       .help = "Number of content logs to keep",
       .hidden = true},
      {.name = "content-log-dir-max-age",
       .type = duration,
       .default_value = "720h",
       .env = "KOPIA_CONTENT_LOG_DIR_MAX_AGE",
       .help = "Age of the oldest content log to keep",
       .hidden = true},
      {.name = "content-log-dir-max-total-size-mb",
       .type = real,
       .default_value = "1000",
       .env = "KOPIA_CONTENT_LOG_DIR_MAX_SIZE_MB",
       .help = "Total size of content logs to keep, in MB",
       .hidden = true},
  };
}

// Accepted for scripts; metrics, profiles and the update check are not part of this program's command line.
FlagSpec ignored(const char* name, ValueType type, const char* default_value = "", const char* env = "") {
  return {.name = name,
          .type = type,
          .default_value = default_value,
          .env = env,
          .help = "Accepted and ignored",
          .hidden = true};
}

std::vector<FlagSpec> accepted_flags() {
  std::vector<FlagSpec> flags = {
      ignored("initial-update-check-delay", duration, "24h", "KOPIA_INITIAL_UPDATE_CHECK_DELAY"),
      ignored("update-check-interval", duration, "168h", "KOPIA_UPDATE_CHECK_INTERVAL"),
      ignored("update-available-notify-interval", duration, "1h", "KOPIA_UPDATE_NOTIFY_INTERVAL"),
      ignored("track-releasable", text, "", "KOPIA_TRACK_RELEASABLE"),
      ignored("dump-allocator-stats", boolean, "", "KOPIA_DUMP_ALLOCATOR_STATS"),
      ignored("metrics-listen-addr", text),
      ignored("enable-pprof", boolean),
      ignored("metrics-push-addr", text, "", "KOPIA_METRICS_PUSH_ADDR"),
      ignored("metrics-push-interval", duration, "5s", "KOPIA_METRICS_PUSH_INTERVAL"),
      ignored("metrics-push-job", text, "kopia", "KOPIA_METRICS_JOB"),
      ignored("metrics-push-grouping", text, "", "KOPIA_METRICS_PUSH_GROUPING"),
      ignored("metrics-push-username", text, "", "KOPIA_METRICS_PUSH_USERNAME"),
      ignored("metrics-push-password", text, "", "KOPIA_METRICS_PUSH_PASSWORD"),
      ignored("metrics-push-format", choice, "", "KOPIA_METRICS_FORMAT"),
      ignored("otlp-trace", boolean, "", "KOPIA_ENABLE_OTLP_TRACE"),
      ignored("diagnostics-output-directory", text),
      ignored("metrics-store-on-exit", boolean),
      ignored("profile-dir", text),
      ignored("profile-cpu", boolean),
      ignored("profile-memory", integer),
      ignored("profile-blocking", boolean),
      ignored("profile-mutex", boolean),
  };
  for (FlagSpec& flag : flags) {
    flag.repeatable = flag.name == "track-releasable" || flag.name == "metrics-push-grouping";
    if (flag.type == choice) {
      flag.choices = {"text", "proto-text", "proto-delim", "proto-compact", "open-metrics", "open-metrics-0.0.1"};
    }
  }
  return flags;
}

}  // namespace

void add_global_flags(CommandTable& table) {
  table.add_global_flags(help_flags());
  table.add_global_flags(connection_flags());
  table.add_global_flags(output_flags());
  table.add_global_flags(log_flags());
  table.add_global_flags(log_retention_flags());
  table.add_global_flags(accepted_flags());
}

}  // namespace cairn::cli
