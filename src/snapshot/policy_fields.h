// The list of all policy fields: their places in the JSON form (kopia-model §7.1), from which reading, writing, merging
// and definitions are made. Internal to this folder.
#pragma once

#include "snapshot/policy.h"

namespace cairn::snapshot {

// How a field of the next more general policy joins what is gathered so far. `by_type`: an unset value takes it (so
// flags are or-ed, lists replaced). `stoppable_union`: lists are united until a policy sets the `stop_flag` that
// belongs to it.
enum class Merge : std::uint8_t { by_type, stoppable_union, stop_flag, not_merged };

// Calls v(section, key, access, merge) in stored order; access(policy) is a reference to the field. Sections are JSON
// paths; those that hold no field of their own are visited as well by policy.cc.
template <class V>
void for_each_policy_field(V&& v) {
#define CAIRN_FIELD(section, key, member, how) \
  v(                                           \
      section, key, [](auto& p) -> auto& { return p.member; }, Merge::how)
  CAIRN_FIELD("retention", "keepLatest", retention.keep_latest, by_type);
  CAIRN_FIELD("retention", "keepHourly", retention.keep_hourly, by_type);
  CAIRN_FIELD("retention", "keepDaily", retention.keep_daily, by_type);
  CAIRN_FIELD("retention", "keepWeekly", retention.keep_weekly, by_type);
  CAIRN_FIELD("retention", "keepMonthly", retention.keep_monthly, by_type);
  CAIRN_FIELD("retention", "keepAnnual", retention.keep_annual, by_type);
  CAIRN_FIELD("retention", "ignoreIdenticalSnapshots", retention.ignore_identical_snapshots, by_type);
  CAIRN_FIELD("files", "ignore", files.ignore, by_type);
  CAIRN_FIELD("files", "noParentIgnore", files.no_parent_ignore, by_type);
  CAIRN_FIELD("files", "ignoreDotFiles", files.ignore_dot_files, by_type);
  CAIRN_FIELD("files", "noParentDotFiles", files.no_parent_dot_files, by_type);
  CAIRN_FIELD("files", "ignoreCacheDirs", files.ignore_cache_dirs, by_type);
  CAIRN_FIELD("files", "maxFileSize", files.max_file_size, by_type);
  CAIRN_FIELD("files", "oneFileSystem", files.one_file_system, by_type);
  CAIRN_FIELD("errorHandling", "ignoreFileErrors", error_handling.ignore_file_errors, by_type);
  CAIRN_FIELD("errorHandling", "ignoreDirectoryErrors", error_handling.ignore_directory_errors, by_type);
  CAIRN_FIELD("errorHandling", "ignoreUnknownTypes", error_handling.ignore_unknown_types, by_type);
  CAIRN_FIELD("scheduling", "intervalSeconds", scheduling.interval_seconds, by_type);
  CAIRN_FIELD("scheduling", "timeOfDay", scheduling.times_of_day, stoppable_union);
  CAIRN_FIELD("scheduling", "noParentTimeOfDay", scheduling.no_parent_times_of_day, stop_flag);
  CAIRN_FIELD("scheduling", "manual", scheduling.manual, by_type);
  CAIRN_FIELD("scheduling", "cron", scheduling.cron, by_type);
  CAIRN_FIELD("scheduling", "runMissed", scheduling.run_missed, by_type);
  CAIRN_FIELD("compression", "compressorName", compression.compressor_name, by_type);
  CAIRN_FIELD("compression", "onlyCompress", compression.only_compress, stoppable_union);
  CAIRN_FIELD("compression", "noParentOnlyCompress", compression.no_parent_only_compress, stop_flag);
  CAIRN_FIELD("compression", "neverCompress", compression.never_compress, stoppable_union);
  CAIRN_FIELD("compression", "noParentNeverCompress", compression.no_parent_never_compress, stop_flag);
  CAIRN_FIELD("compression", "minSize", compression.min_size, by_type);
  CAIRN_FIELD("compression", "maxSize", compression.max_size, by_type);
  CAIRN_FIELD("metadataCompression", "compressorName", metadata_compressor_name, by_type);
  CAIRN_FIELD("splitter", "algorithm", splitter_algorithm, by_type);
  CAIRN_FIELD("actions", "beforeFolder", actions.before_folder, not_merged);
  CAIRN_FIELD("actions", "afterFolder", actions.after_folder, not_merged);
  CAIRN_FIELD("actions", "beforeSnapshotRoot", actions.before_snapshot_root, by_type);
  CAIRN_FIELD("actions", "afterSnapshotRoot", actions.after_snapshot_root, by_type);
  CAIRN_FIELD("osSnapshots.volumeShadowCopy", "enable", volume_shadow_copy, by_type);
  CAIRN_FIELD("logging.directories", "snapshotted", logging.dir_snapshotted, by_type);
  CAIRN_FIELD("logging.directories", "ignored", logging.dir_ignored, by_type);
  CAIRN_FIELD("logging.entries", "snapshotted", logging.entry_snapshotted, by_type);
  CAIRN_FIELD("logging.entries", "ignored", logging.entry_ignored, by_type);
  CAIRN_FIELD("logging.entries", "cacheHit", logging.entry_cache_hit, by_type);
  CAIRN_FIELD("logging.entries", "cacheMiss", logging.entry_cache_miss, by_type);
  CAIRN_FIELD("upload", "maxParallelSnapshots", upload.max_parallel_snapshots, by_type);
  CAIRN_FIELD("upload", "maxParallelFileReads", upload.max_parallel_file_reads, by_type);
  CAIRN_FIELD("upload", "parallelUploadAboveSize", upload.parallel_upload_above_size, by_type);
#undef CAIRN_FIELD
}

// The JSON object at a section's path, made when absent.
Json& policy_section(Json& policy, std::string_view section);

}  // namespace cairn::snapshot
