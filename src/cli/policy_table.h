// The table of an effective policy, as `policy show` and `repository create` print it (kopia-interfaces §1.8.15).
#pragma once

#include <string>

#include "snapshot/policy.h"

namespace cairn::cli {

// All sections below "Policy for TARGET:".
std::string policy_table(const snapshot::EffectivePolicy& effective, const snapshot::SourceInfo& target);
// Retention and compression only, with their own width and without headings between them.
std::string short_policy_table(const snapshot::EffectivePolicy& effective, const snapshot::SourceInfo& target);

}  // namespace cairn::cli
