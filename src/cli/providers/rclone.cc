#include "cli/providers/provider_table.h"

namespace cairn::cli {

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
      .keys = {},
      .supported = false,
  };
}

}  // namespace cairn::cli
