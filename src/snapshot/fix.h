// `snapshot fix`: snapshots without files that are damaged or not wanted. (kopia-model §10.3)
#pragma once

#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "repo/repository.h"
#include "snapshot/object_check.h"
#include "snapshot/rewrite.h"
#include "snapshot/types.h"

namespace cairn::snapshot {

// What becomes of an entry that cannot be read. A stub is a small text file `.INVALID.<name>` that tells what was
// there.
enum class InvalidEntry : std::uint8_t { fail, stub, keep, remove };

struct FixOptions {
  unsigned parallel = 0;  // files verified at a time; 0 = CPUs
  InvalidEntry directories = InvalidEntry::stub;
  // remove-files: entries with one of these object ids (texts) or a name that matches one of these shell patterns.
  std::vector<std::string> object_ids, name_patterns;
  // invalid-files
  bool verify_files = false;
  InvalidEntry files = InvalidEntry::stub;
  double read_percent = 0;  // chance of a file to be read fully
};

class SnapshotFixer {
 public:
  // Lines for people, by any thread, one at a time; before a file is verified `on_verify` (several threads).
  struct Callbacks {
    std::function<void(const std::string& line)> on_change;
    std::function<void(std::int64_t size)> on_verified;
  };
  SnapshotFixer(repo::Repository& repository, FixOptions options, Callbacks callbacks);
  // For invalid-files, before the first fix. Returns the number of blobs.
  Result<std::int64_t> list_blobs(std::stop_token stop) { return check_.list_blobs(std::move(stop)); }
  // The snapshot's root as it should be; equal to the present one when nothing was found. Writes objects, no manifest.
  // Errors: those of unreadable entries when they are to fail.
  Result<DirEntry> fix(const SnapshotManifest& snapshot, std::stop_token stop);

 private:
  TreeRewriter::NewEntry decide(const DirEntry& entry, const std::string& path, std::stop_token stop);
  TreeRewriter::NewEntry handle(InvalidEntry how, const DirEntry& entry, const std::string& path, const Status& problem,
                                std::stop_token stop);
  bool unwanted(const DirEntry& entry) const;
  Status verify(const DirEntry& entry, std::stop_token stop);
  void tell(const std::string& line);

  repo::Repository& repository_;
  const FixOptions options_;
  const Callbacks callbacks_;
  ObjectCheck check_;
  TreeRewriter rewriter_;
  std::mutex mutex_;
  std::unordered_map<std::string, Status> verified_;  // by object id
};

}  // namespace cairn::snapshot
