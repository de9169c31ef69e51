// Storage providers of the command line: their flags (kopia-interfaces §1.8.2) and the connection they describe.
#pragma once

#include <string>
#include <vector>

#include "blob/storage.h"
#include "cli/command_table.h"
#include "cli/parser.h"

namespace cairn::cli {

struct Provider {
  std::string word;  // on the command line
  std::string help;
  std::vector<FlagSpec> flags;
  bool supported = false;
};
// from-config is not among them: it takes its storage from elsewhere.
const std::vector<Provider>& providers();

// Flags of the chosen provider command → its connection. Errors: unsupported; invalid_argument.
Result<blob::ConnectionInfo> provider_connection(const ParsedCommand& command, bool create);

// The flags --token… and, for connecting, --file.
std::vector<FlagSpec> from_config_flags(bool create);
struct FromConfig {
  blob::ConnectionInfo storage;
  std::string password;  // of the token, may be empty
};
Result<FromConfig> read_from_config(const ParsedCommand& command, bool create);

}  // namespace cairn::cli
