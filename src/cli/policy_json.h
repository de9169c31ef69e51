// Policies as texts that people edit and keep in files (kopia-interfaces §1.8.14).
#pragma once

#include "snapshot/policy.h"

namespace cairn::cli {

// A JSON document. Errors: invalid_argument; "EOF" when there is nothing in the text.
Result<Json> parse_document(std::string_view text);
// Errors: invalid_argument, "json: unknown field …" when `strict`.
Result<snapshot::Policy> policy_of_document(const Json& json, bool strict);

}  // namespace cairn::cli
