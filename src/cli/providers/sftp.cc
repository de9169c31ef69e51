#include "cli/providers/provider_table.h"

namespace cairn::cli {

Provider sftp_provider() {
  using enum ValueType;
  return {
      .word = "sftp",
      .type = "sftp",
      .help = "a directory on an SFTP server",
      .flags =
          {
              {.name = "path", .type = text, .help = "Directory of the repository on the server", .required = true},
              {.name = "host", .type = text, .help = "Host name of the server", .required = true},
              {.name = "port", .type = integer, .default_value = "22", .help = "Port of the server"},
              {.name = "username", .type = text, .help = "User name on the server", .required = true},
              {.name = "sftp-password", .type = text, .help = "Password on the server"},
              {.name = "keyfile", .type = text, .help = "File with the private key"},
              {.name = "key-data", .type = text, .help = "The private key itself"},
              {.name = "known-hosts", .type = text, .help = "File with the keys of known hosts"},
              {.name = "known-hosts-data", .type = text, .help = "The keys of known hosts themselves"},
              {.name = "embed-credentials", .help = "Store key and known hosts in the configuration file"},
              {.name = "external", .help = "Use the ssh program"},
              {.name = "ssh-command", .type = text, .default_value = "ssh", .help = "The ssh program"},
              {.name = "ssh-args", .type = text, .help = "Arguments of the ssh program"},
              kFlat,
              kListParallelism,
          },
      .keys = {},
      .supported = false,
  };
}

}  // namespace cairn::cli
