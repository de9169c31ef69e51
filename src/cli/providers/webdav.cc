#include "cli/providers/provider_table.h"

namespace cairn::cli {

Provider webdav_provider() {
  using enum ValueType;
  return {
      .word = "webdav",
      .type = "webdav",
      .help = "a directory on a WebDAV server",
      .flags =
          {{.name = "url", .type = text, .help = "URL of the directory", .required = true},
           kFlat,
           {.name = "webdav-username", .type = text, .env = "KOPIA_WEBDAV_USERNAME", .help = "User name on the server"},
           {.name = "webdav-password", .type = text, .env = "KOPIA_WEBDAV_PASSWORD", .help = "Password on the server"},
           kListParallelism,
           {.name = "atomic-writes", .help = "The server writes files atomically"}},
      .keys = {{"url", "url", kAlways},
               {"username", "webdav-username", kAlways},
               {"password", "webdav-password", kAlways},
               {"atomicWrites", "atomic-writes", kAlways},
               {"dirShards", "", kAlways, dir_shards},
               {"listParallelism", "list-parallelism"}},
      .supported = true,
  };
}

}  // namespace cairn::cli
