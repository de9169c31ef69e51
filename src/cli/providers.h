// Storage providers of the command line: their flags (kopia-interfaces §1.8.2) and the connection they describe.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "blob/storage.h"
#include "cli/command_table.h"
#include "cli/parser.h"

namespace cairn::cli {

enum KeyPresence : unsigned char { kOmitEmpty, kOmitNull, kAlways };

// One key of a stored configuration and the flag it comes from.
struct ConfigKey {
  std::string_view key;
  std::string_view flag{};  // "": `convert` makes the value, or it is ""
  KeyPresence presence = kOmitEmpty;
  // Where the flag's value in JSON of its own type will not do.
  Result<Json> (*convert)(const ParsedCommand& command, bool create) = nullptr;
};

struct Provider {
  std::string word;  // on the command line
  std::string type;  // in the stored configuration
  std::string help;
  std::vector<FlagSpec> flags;
  std::vector<ConfigKey> keys{};  // in the order in which they are stored
  bool supported = false;
  std::string refusal{};  // why it is not, when that is for good
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
