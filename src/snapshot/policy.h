// Policies: what applies to a source, from manifests of the path, its parents, user, host, global, built-in default.
// docs/format/policies.md (kopia-model §7)
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "manifest/manifest_manager.h"
#include "snapshot/types.h"

namespace cairn::snapshot {

// In all sections: an empty optional, "", 0, false or {} is "not set here" (inherit).
struct RetentionPolicy {
  std::optional<std::int64_t> keep_latest, keep_hourly, keep_daily, keep_weekly, keep_monthly, keep_annual;
  std::optional<bool> ignore_identical_snapshots;
  bool operator==(const RetentionPolicy&) const = default;
};

struct FilesPolicy {
  std::vector<std::string> ignore;
  bool no_parent_ignore = false;
  std::vector<std::string> ignore_dot_files;
  bool no_parent_dot_files = false;
  std::optional<bool> ignore_cache_dirs;
  std::int64_t max_file_size = 0;
  std::optional<bool> one_file_system;
  bool ignore_cache_dirs_or_default() const { return ignore_cache_dirs.value_or(true); }
  bool operator==(const FilesPolicy&) const = default;
};

struct ErrorHandlingPolicy {
  std::optional<bool> ignore_file_errors, ignore_directory_errors, ignore_unknown_types;
  bool ignore_file_errors_or_default() const { return ignore_file_errors.value_or(false); }
  bool ignore_directory_errors_or_default() const { return ignore_directory_errors.value_or(false); }
  bool ignore_unknown_types_or_default() const { return ignore_unknown_types.value_or(true); }
  bool operator==(const ErrorHandlingPolicy&) const = default;
};

struct TimeOfDay {
  int hour = 0, minute = 0;
  std::string text() const;  // "1:00": the hour is not padded
  // "HH:MM" or "H:MM". Errors: invalid_argument.
  static Result<TimeOfDay> parse(std::string_view text);
  auto operator<=>(const TimeOfDay&) const = default;
};

struct SchedulingPolicy {
  std::int64_t interval_seconds = 0;
  std::vector<TimeOfDay> times_of_day;
  bool no_parent_times_of_day = false;
  bool manual = false;
  std::vector<std::string> cron;
  std::optional<bool> run_missed;
  bool operator==(const SchedulingPolicy&) const = default;
};

struct CompressionPolicy {
  std::string compressor_name;
  std::vector<std::string> only_compress;
  bool no_parent_only_compress = false;
  std::vector<std::string> never_compress;
  bool no_parent_never_compress = false;
  std::int64_t min_size = 0, max_size = 0;
  bool operator==(const CompressionPolicy&) const = default;
};

struct ActionCommand {
  std::string path;
  std::vector<std::string> args;
  std::string script;
  std::int64_t timeout_seconds = 0;
  std::string mode;  // "essential", "optional", "async"
  bool operator==(const ActionCommand&) const = default;
};

struct ActionsPolicy {
  std::optional<ActionCommand> before_folder, after_folder, before_snapshot_root, after_snapshot_root;
  bool operator==(const ActionsPolicy&) const = default;
};

struct LoggingPolicy {
  std::optional<std::int64_t> dir_snapshotted, dir_ignored;
  std::optional<std::int64_t> entry_snapshotted, entry_ignored, entry_cache_hit, entry_cache_miss;
  bool operator==(const LoggingPolicy&) const = default;
};

struct UploadPolicy {
  std::optional<std::int64_t> max_parallel_snapshots, max_parallel_file_reads, parallel_upload_above_size;
  bool operator==(const UploadPolicy&) const = default;
};

struct Policy {
  RetentionPolicy retention;
  FilesPolicy files;
  ErrorHandlingPolicy error_handling;
  SchedulingPolicy scheduling;
  CompressionPolicy compression;
  std::string metadata_compressor_name;
  std::string splitter_algorithm;
  ActionsPolicy actions;
  std::optional<std::int64_t> volume_shadow_copy;  // 0 never, 1 always, 2 when available
  LoggingPolicy logging;
  UploadPolicy upload;
  bool no_parent = false;

  Json to_json() const;  // all eleven sections, Kopia's order; also the stored payload
  // Wrong types are errors; unknown keys are ignored, or errors when `strict`. Errors: invalid_argument.
  static Result<Policy> from_json(const Json& json, bool strict = false);
  bool operator==(const Policy&) const = default;
};

// The built-in default, stored as the global policy of new repositories.
const Policy& default_policy();
// Checks of §7.1 on saving. Errors: invalid_argument.
Status validate_policy(const SourceInfo& target, const Policy& policy);

// A policy as defined at one target.
struct PolicyRecord {
  std::string id;
  SourceInfo target;
  Policy policy;
  Timestamp modified{};
};

manifest::Labels policy_labels(const SourceInfo& target);
// Errors: corrupt.
Result<SourceInfo> policy_target(const manifest::Labels& labels);
// `path`'s parent by Kopia's rules, equal to `path` at a root and without separator.
std::string parent_path(std::string_view path);

// Which target supplied each field: "retention.keepLatest" → target. Fields supplied by the built-in default have no
// entry of a target (they are absent, as are unset ones).
class PolicyDefinition {
 public:
  // Null when no target's policy has it. Keys are the JSON paths ("files.ignore", "logging.entries.cacheHit").
  const SourceInfo* find(std::string_view key) const;
  void set(std::string_view key, const SourceInfo& target);
  // Same nesting as the policy, source objects as values.
  Json to_json() const;
  const std::map<std::string, SourceInfo, std::less<>>& entries() const { return entries_; }

 private:
  std::map<std::string, SourceInfo, std::less<>> entries_;
};

struct EffectivePolicy {
  Policy policy;
  PolicyDefinition definition;
  std::vector<PolicyRecord> chain;  // the policies met, most specific first; an empty one for `source` when it has none
};

// Pure. `chain` is most specific first, without the built-in default, which `merge_policies` appends unless a policy of
// the chain has no_parent.
EffectivePolicy merge_policies(std::vector<PolicyRecord> chain, const SourceInfo& source);
EffectivePolicy effective_policy(std::span<const PolicyRecord> all, const SourceInfo& source);

// On the repository. Lists are in order of modification, oldest first.
Result<std::vector<PolicyRecord>> list_policies(manifest::ManifestManager& manifests, std::stop_token stop);
Result<EffectivePolicy> effective_policy(manifest::ManifestManager& manifests, const SourceInfo& source,
                                         std::stop_token stop);
// Errors: not_found "policy not found".
Result<PolicyRecord> defined_policy(manifest::ManifestManager& manifests, const SourceInfo& target,
                                    std::stop_token stop);
Result<PolicyRecord> policy_by_id(manifest::ManifestManager& manifests, const std::string& id, std::stop_token stop);
// Validates, then replaces what is defined at the target. Returns the new id. Not flushed.
Result<std::string> set_policy(manifest::ManifestManager& manifests, const SourceInfo& target, const Policy& policy,
                               std::stop_token stop);
// A missing policy is no error.
Status remove_policy(manifest::ManifestManager& manifests, const SourceInfo& target, std::stop_token stop);

// Policies of one snapshot by relative directory (§7.5). Immutable; nodes are cheap handles that keep the tree alive.
class PolicyTree {
 public:
  struct Node;
  // No policies below the root.
  static PolicyTree of(const Policy& effective);
  static PolicyTree build(std::span<const PolicyRecord> all, const SourceInfo& source);
  static Result<PolicyTree> load(manifest::ManifestManager& manifests, const SourceInfo& source, std::stop_token stop);

  const Policy& policy() const { return *policy_; }
  bool inherited() const { return inherited_; }
  // Null when this directory has no policy of its own.
  const Policy* defined_policy() const { return inherited_ ? nullptr : policy_.get(); }
  PolicyTree child(std::string_view name) const;

 private:
  std::shared_ptr<const Policy> policy_;
  std::shared_ptr<const Node> node_;  // null below the last defined node
  bool inherited_ = false;
};

// §3.3. "" = no compression. `base_name` decides by its extension; `size` is the stat size, 0 for streams.
std::string_view compressor_for_file(const CompressionPolicy& policy, std::string_view base_name, std::int64_t size);
std::string_view metadata_compressor(const Policy& policy);

}  // namespace cairn::snapshot
