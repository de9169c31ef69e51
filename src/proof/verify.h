// Does the repository hold every byte that its snapshots need? docs/design/proof.md
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "proof/damage.h"
#include "proof/ledger.h"
#include "proof/units.h"
#include "proof/view.h"

namespace cairn::proof {

enum class ReadPacks : unsigned char {
  none,            // packs must be there and long enough
  all,             // every pack is read and authenticated
  longest_unread,  // by the ledger, within the budgets
};

struct VerifyOptions {
  ReadPacks read = ReadPacks::none;
  std::int64_t byte_budget = 0;  // of packs; 0 = none. At least one pack is read
  Duration time_budget{};        // no pack is begun later; 0 = none
  unsigned parallel = 4;
  Ledger* ledger = nullptr;  // for longest_unread
};

struct SnapshotProof {
  std::string id, source;
  Timestamp start;
  bool damaged = false;
  // When the byte of the snapshot that has not been read for longest was read last, indexes and manifests included.
  std::optional<Timestamp> oldest_read;
};

struct ReadCount {
  std::int64_t blobs = 0, bytes = 0;
};

struct VerifyReport {
  std::vector<Damage> damages;
  std::vector<SnapshotProof> snapshots;
  ReadCount in_use;                    // packs and index blobs that the repository consists of
  ReadCount read;                      // by this run, good or not
  ReadCount read_back;                 // of those in use: good when last read, by this or an earlier run
  std::unordered_set<ContentId> lost;  // contents that something refers to and no index knows, up to a million
  Timestamp time;
};

struct VerifyCallbacks {
  // About to read packs, of which so many bytes.
  std::function<void(const ReadCount& chosen)> on_chosen;
  std::function<void(const ReadCount& read)> on_read;  // after each; one call at a time
  std::function<void()> on_walk;                       // the snapshots' trees
};

// `repository` was opened with deferred indexes. Damage is in the report, not in the status. What has been read is in
// the ledger also when the call fails or is stopped. Errors: the storage's, cancelled.
Result<VerifyReport> verify_repository(repo::Repository& repository, const VerifyOptions& options,
                                       const VerifyCallbacks& callbacks, std::stop_token stop);
// The same for the repository as another storage shows it (PatchedStorage).
Result<VerifyReport> verify_view(repo::Repository& repository, std::shared_ptr<blob::Storage> storage,
                                 const VerifyOptions& options, const VerifyCallbacks& callbacks, std::stop_token stop);

// What a directory full of snapshots amounts to.
struct Coverage {
  std::int64_t snapshots = 0;
  std::int64_t read_back = 0;       // every byte of them was good when last read, at most `max_age` ago
  std::optional<Timestamp> oldest;  // of these snapshots' bytes the one read longest ago
};
Coverage coverage_of(const VerifyReport& report, std::optional<Duration> max_age);

Json report_json(const VerifyReport& report, const Coverage& coverage);
// Prometheus text format.
std::string report_metrics(const VerifyReport& report, const Coverage& coverage, std::string_view repository_id);

}  // namespace cairn::proof
