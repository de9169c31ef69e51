// Copies the contents of short packs into new packs, so that the short ones become orphans. (kopia-model §11.5)
#pragma once

#include "maintenance/memory.h"
#include "maintenance/report.h"
#include "maintenance/safety.h"
#include "maintenance/snapshot_gc.h"
#include "repo/repository.h"

namespace cairn::maintenance {

struct RewriteOptions {
  Timestamp now;
  std::string pack_prefix;  // "" = p and q
  bool dry_run = false;
  MemoryBudget memory{};
};

struct RewriteStats {
  CountAndSize to_rewrite, rewritten, retained;
  // Contents that could not be read and stay where they are; empty when all is well.
  std::vector<std::string> problems;
  Json to_json() const;
};

// A content that cannot be read is left and reported, the others go on. Errors: the storage's.
Result<RewriteStats> rewrite_short_packs(repo::Repository& repository, const Safety& safety,
                                         const RewriteOptions& options, const Report& report, std::stop_token stop);

}  // namespace cairn::maintenance
