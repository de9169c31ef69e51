// How much an upload will have to look at: for progress only. (kopia-model §8.9)
#pragma once

#include <stop_token>
#include <string>

#include "snapshot/policy.h"

namespace cairn::snapshot {

struct Estimate {
  std::int64_t files = 0, bytes = 0;  // what the rules leave in
};

// Learns what an upload would find. `path` is relative to the source, "." for the source itself.
class SourceVisitor {
 public:
  virtual ~SourceVisitor() = default;
  virtual void on_directory(const std::string& path) { (void)path; }
  virtual void on_file(const std::string& path, std::int64_t size) = 0;
  // Left out by a rule (silently left out is what is too large or on another device).
  virtual void on_excluded_file(const std::string& path, std::int64_t size) { (void)path, (void)size; }
  virtual void on_excluded_directory(const std::string& path) { (void)path; }
  // A directory below the source that cannot be read; the walk goes on.
  virtual void on_error(const std::string& path, const Status& status) { (void)path, (void)status; }
};

// Walks the tree with the upload's rules, on the calling thread. At most `directories_max` directories wait at a time.
// Errors: cancelled, resource_exhausted (too many directories), those of the source itself.
Status visit_source(const std::string& path, const PolicyTree& policies, std::size_t directories_max,
                    SourceVisitor& visitor, std::stop_token stop);

// Walks the tree with the upload's rules; what cannot be read is passed over.
// Errors: cancelled.
Result<Estimate> estimate_by_walk(const std::string& path, const PolicyTree& policies, std::stop_token stop);
// What the file system that holds `path` says it uses.
Result<Estimate> estimate_by_volume(const std::string& path);
// The volume's figures, unless it has fewer files than `threshold`: then a walk is quick enough.
Result<Estimate> estimate_adaptively(const std::string& path, const PolicyTree& policies, std::int64_t threshold,
                                     std::stop_token stop);

}  // namespace cairn::snapshot
