#include "cli/providers/provider_table.h"
#include "sys/file.h"

namespace cairn::cli {
namespace {

// With --embed-credentials the contents of a file are stored under the key of the data, otherwise its absolute path.
Result<Json> path_of(const ParsedCommand& command, std::string_view flag) {
  const std::string& path = command.text(flag);
  if (path.empty() || command.boolean("embed-credentials")) {
    return Json("");
  }
  TRY_ASSIGN(std::string absolute, sys::absolute_path(path));
  return Json(std::move(absolute));
}

Result<Json> data_of(const ParsedCommand& command, std::string_view file_flag, std::string_view data_flag) {
  const std::string& data = command.text(data_flag);
  const std::string& path = command.text(file_flag);
  if (!data.empty() || path.empty() || !command.boolean("embed-credentials")) {
    return Json(data);
  }
  TRY_ASSIGN(const Buffer text, sys::read_file(path, std::size_t{1} << 20), "unable to read --{}", file_flag);
  return Json(text.text());
}

Result<Json> key_file(const ParsedCommand& command, bool) { return path_of(command, "keyfile"); }
Result<Json> key_data(const ParsedCommand& command, bool) { return data_of(command, "keyfile", "key-data"); }
Result<Json> known_hosts_file(const ParsedCommand& command, bool) { return path_of(command, "known-hosts"); }
Result<Json> known_hosts_data(const ParsedCommand& command, bool) {
  return data_of(command, "known-hosts", "known-hosts-data");
}
// Of no meaning without --external, and not stored then.
Result<Json> of_external(const ParsedCommand& command, std::string_view flag) {
  return Json(command.boolean("external") ? command.text(flag) : "");
}
Result<Json> ssh_command(const ParsedCommand& command, bool) { return of_external(command, "ssh-command"); }
Result<Json> ssh_arguments(const ParsedCommand& command, bool) { return of_external(command, "ssh-args"); }

}  // namespace

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
      .keys = {{"path", "path", kAlways},
               {"host", "host", kAlways},
               {"port", "port", kAlways},
               {"username", "username", kAlways},
               {"password", "sftp-password", kAlways},
               {"keyfile", "", kOmitEmpty, key_file},
               {"keyData", "", kOmitEmpty, key_data},
               {"knownHostsFile", "", kOmitEmpty, known_hosts_file},
               {"knownHostsData", "", kOmitEmpty, known_hosts_data},
               {"externalSSH", "external", kAlways},
               {"sshCommand", "", kOmitEmpty, ssh_command},
               {"sshArguments", "", kOmitEmpty, ssh_arguments},
               {"dirShards", "", kAlways, dir_shards},
               {"listParallelism", "list-parallelism"}},
      .supported = true,
  };
}

}  // namespace cairn::cli
