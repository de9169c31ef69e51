// The schedule blob: next times and the history of runs, which decides what later runs may delete.
// docs/design/maintenance.md (kopia-model §11.2)
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/time.h"
#include "blob/storage.h"
#include "format/repository_format.h"

namespace cairn::maintenance {

inline constexpr std::string_view kScheduleBlob = "kopia.maintenance";
inline constexpr std::size_t kRunsPerTaskMax = 50;

// Names are part of the format: other clients decide by them.
inline constexpr std::string_view kSnapshotGc = "snapshot-gc";
inline constexpr std::string_view kQuickRewrite = "quick-rewrite-contents";
inline constexpr std::string_view kFullRewrite = "full-rewrite-contents";
inline constexpr std::string_view kDropDeleted = "full-drop-deleted-content";
inline constexpr std::string_view kQuickDeleteBlobs = "quick-delete-blobs";
inline constexpr std::string_view kFullDeleteBlobs = "full-delete-blobs";
inline constexpr std::string_view kIndexCompaction = "index-compaction";
inline constexpr std::string_view kExtendRetention = "extend-blob-retention-time";
inline constexpr std::string_view kCleanupLogs = "cleanup-logs";
inline constexpr std::string_view kAdvanceEpoch = "advance-epoch";
inline constexpr std::string_view kCompactSingle = "compact-single-epoch";
inline constexpr std::string_view kCompactRange = "generate-epoch-range-index";
inline constexpr std::string_view kCleanupMarkers = "cleanup-epoch-markers";
inline constexpr std::string_view kDeleteSuperseded = "delete-superseded-epoch-indexes";

struct Run {
  Timestamp start, end;
  bool success = false;
  std::string error;
  Json extra;  // array of {"kind":…,"data":…}; null when there is none
};

struct Schedule {
  Timestamp next_full = Timestamp::zero(), next_quick = Timestamp::zero();
  // Newest first. Tasks that we do not know are kept as they are.
  std::map<std::string, std::vector<Run>> runs;

  Json to_json() const;
  static Result<Schedule> from_json(const Json& json);
  // In front of the others of its task; the oldest beyond the limit go.
  void add(std::string_view task, Run run);
  // Latest end among successful runs of the tasks.
  std::optional<Timestamp> last_success(std::initializer_list<std::string_view> tasks) const;
};

// What the blob's stored bytes say. Errors: corrupt.
Result<Schedule> open_schedule(ByteView stored, const format::FormatManager& format);
// An absent blob gives an empty schedule (all is due). Errors: corrupt (then maintenance must not run); the storage's.
Result<Schedule> load_schedule(blob::Storage& storage, const format::FormatManager& format, std::stop_token stop);
// Returns the storage's time of the new blob.
Result<Timestamp> save_schedule(blob::Storage& storage, const format::FormatManager& format, const Schedule& schedule,
                                std::stop_token stop);

}  // namespace cairn::maintenance
