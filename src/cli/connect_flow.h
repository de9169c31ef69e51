// What `repository connect` and `repository create` have in common.
#pragma once

#include <memory>

#include "cli/context.h"
#include "cli/providers.h"

namespace cairn::cli {

// Flags of §1.8.1, of both groups.
std::vector<FlagSpec> connect_flags();
// One row a provider below `group`, and from-config.
void add_provider_commands(CommandTable& table, const std::string& group, const std::string& verb, bool create,
                           RunFunction run);

struct Target {
  blob::ConnectionInfo info;
  std::shared_ptr<blob::Storage> storage;
  std::string token_password;  // "" when the storage did not come from a token that has one
};
// The storage that the words describe, opened. Errors carry the frame "can't connect to storage".
Result<Target> open_target(Context& context, const ParsedCommand& command, blob::OpenOptions options);

// Writes the configuration, opens the repository with it to verify, stores the password if that is wanted, and says
// "Connected to repository.". On failure nothing stays behind.
Status connect_to(Context& context, const ParsedCommand& command, const blob::ConnectionInfo& storage,
                  const std::string& password);

// Removes the format blobs from this client's cache, so that the next command sees what was changed.
void forget_cached_format(Context& context, const repo::Repository& repository, bool with_blob_config = true);

}  // namespace cairn::cli
