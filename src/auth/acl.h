// Access rules of a repository server: manifests of type "acl". (kopia-model §12.3)
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "manifest/manifest_manager.h"

namespace cairn::auth {

// Each level includes those before it.
enum class Access : unsigned char { none = 1, read, append, full };
std::string_view access_name(Access access);  // "NONE", "READ", "APPEND", "FULL"
Result<Access> parse_access(std::string_view name);

struct AclEntry {
  std::string id;                             // of the manifest; "" before it is stored
  std::string user;                           // "user@host", either side may be "*"
  std::map<std::string, std::string> target;  // "type" and labels; values may hold OWN_USER and OWN_HOST
  Access access = Access::none;

  Json payload() const;
  static Result<AclEntry> from_manifest(const manifest::Manifest& manifest);
  // Errors: invalid_argument.
  Status validate() const;
  // "type=snapshot,hostname=h": the type, then the rest by name.
  std::string target_text() const;
};

struct Requester {
  std::string user, host;
};

// Highest level among the entries that match the requester and a manifest with these labels. For contents the labels
// are {type: content}.
Access effective_access(const std::vector<AclEntry>& entries, const Requester& requester,
                        const manifest::Labels& labels);
// What holds while there is no entry at all.
Access access_without_entries(const Requester& requester, const manifest::Labels& labels);

// In order of time.
Result<std::vector<AclEntry>> list_acl(manifest::ManifestManager& manifests, std::stop_token stop);
// Replaces an entry of the same user and target; lowering its level needs `overwrite`. The caller flushes. Errors:
// invalid_argument, already_exists.
Status add_acl(manifest::ManifestManager& manifests, const AclEntry& entry, bool overwrite, std::stop_token stop);
// What `server acl enable` writes.
std::vector<AclEntry> default_acl();

}  // namespace cairn::auth
