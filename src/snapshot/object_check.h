// Is everything there that an object consists of: contents in the index, their packs in the storage? (kopia-model
// §10.2)
#pragma once

#include <functional>
#include <string>
#include <unordered_set>
#include <vector>

#include "repo/repository.h"

namespace cairn::snapshot {

class ObjectCheck {
 public:
  explicit ObjectCheck(repo::Repository& repository) : repository_(repository) {}
  // Learns which packs there are; returns the number of all blobs. Before the first check.
  Result<std::int64_t> list_blobs(std::stop_token stop);
  // The object's contents, index objects included. Any thread. Errors: not_found (a content that no index knows),
  // corrupt "object X is backed by missing blob Y".
  Result<std::vector<content::ContentInfo>> check(const object::ObjectId& id, std::stop_token stop) const;

 private:
  Result<std::vector<content::ContentInfo>> contents_of(const object::ObjectId& id, std::stop_token stop) const;
  repo::Repository& repository_;
  std::unordered_set<std::string> packs_;
};

// True with a chance of `percent` in 100.
bool chosen_by_chance(double percent);

}  // namespace cairn::snapshot
