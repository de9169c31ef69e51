#include "cli/providers/provider_table.h"
#include "sys/file.h"

namespace cairn::cli {
namespace {

// The one in PATH is not worth storing: it may move.
Result<Json> program(const ParsedCommand& command, bool) {
  const std::string& given = command.text("rclone-exe");
  return Json(given == "rclone" ? "" : given);
}

Result<Json> arguments(const ParsedCommand& command, bool) {
  Json items = Json::array();
  for (const std::string& each : command.list("rclone-args")) {
    items.push_back(each);
  }
  if (const std::string& config = command.text("rclone-config"); !config.empty()) {
    TRY_ASSIGN(const std::string path, sys::absolute_path(config));
    items.push_back("--config=" + path);
  }
  return items;
}

Result<Json> embedded_config(const ParsedCommand& command, bool) {
  const std::string& path = command.text("embed-rclone-config");
  if (path.empty()) {
    return Json("");
  }
  TRY_ASSIGN(const Buffer text, sys::read_file(path, std::size_t{1} << 20), "unable to read rclone configuration");
  return Json(text.text());
}

}  // namespace

Provider rclone_provider() {
  using enum ValueType;
  return {
      .word = "rclone",
      .type = "rclone",
      .help = "a remote of rclone",
      .flags =
          {
              {.name = "remote-path", .type = text, .help = "Remote and path, as remote:path", .required = true},
              kFlat,
              {.name = "rclone-exe", .type = text, .default_value = "rclone", .help = "The rclone program"},
              {.name = "rclone-args", .type = text, .help = "Argument for rclone", .repeatable = true},
              {.name = "rclone-env", .type = text, .help = "Environment of rclone, as NAME=value", .repeatable = true},
              {.name = "rclone-config", .type = text, .help = "Configuration file of rclone", .hidden = true},
              {.name = "embed-rclone-config",
               .type = existing_file,
               .help = "Configuration of rclone to store in the connection"},
              {.name = "rclone-debug", .help = "Log what rclone prints", .hidden = true},
              {.name = "rclone-nowait-for-transfers", .help = "Do not wait for transfers at the end", .hidden = true},
              kListParallelism,
              {.name = "atomic-writes", .default_value = "true", .help = "The remote writes files atomically"},
              {.name = "rclone-startup-timeout",
               .type = duration,
               .default_value = "15s",
               .help = "Time rclone may take to start"},
          },
      .keys = {{"remotePath", "remote-path", kAlways},
               {"rcloneExe", "", kOmitEmpty, program},
               {"rcloneArgs", "", kOmitEmpty, arguments},
               {"rcloneEnv", "rclone-env"},
               {"startupTimeout", "rclone-startup-timeout", kAlways},
               {"debug", "rclone-debug"},
               {"noWaitForTransfers", "rclone-nowait-for-transfers"},
               {"embeddedConfig", "", kOmitEmpty, embedded_config},
               {"atomicWrites", "atomic-writes", kAlways},
               {"dirShards", "", kAlways, dir_shards},
               {"listParallelism", "list-parallelism"}},
      .supported = true,
  };
}

}  // namespace cairn::cli
