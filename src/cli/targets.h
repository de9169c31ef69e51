// Sources and policy targets named on the command line (kopia-interfaces §1.6).
#pragma once

#include <vector>

#include "cli/context.h"
#include "snapshot/types.h"

namespace cairn::cli {

// Errors: invalid_argument "unable to parse source info: …".
Result<snapshot::SourceInfo> parse_source(repo::Repository& repository, const std::string& text);

// The flag --global and the arguments "target" of policy commands.
std::vector<FlagSpec> target_flags();
std::vector<ArgumentSpec> target_arguments();
// Exactly one of --global and targets; a target may be the id of a policy. Errors: invalid_argument.
Result<std::vector<snapshot::SourceInfo>> policy_targets(Context& context, repo::Repository& repository,
                                                         const ParsedCommand& command);

// The same, but naming none is allowed and gives an empty list.
Result<std::vector<snapshot::SourceInfo>> optional_policy_targets(Context& context, repo::Repository& repository,
                                                                  const ParsedCommand& command);

// What was written becomes part of the repository. Errors carry the frame "error flushing writer".
Status flush_writer(Context& context, repo::Repository& repository);
// The same, and then the maintenance that is due.
Status commit_writer(Context& context, repo::Repository& repository);

}  // namespace cairn::cli
