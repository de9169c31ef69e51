// Snapshot manifests, directory entries, summaries, sources. docs/format/snapshots.md (kopia-model §5, 6)
#pragma once

#include <compare>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/time.h"
#include "manifest/manifest_manager.h"
#include "object/object_id.h"

namespace cairn::snapshot {

struct SourceInfo {
  std::string host, user_name, path;
  // "user@host:path", "user@host", "@host", "(global)".
  std::string text() const;
  // kopia-model §6. Errors: invalid_argument.
  static Result<SourceInfo> parse(std::string_view text, const std::string& default_host,
                                  const std::string& default_user, const std::string& working_directory);
  auto operator<=>(const SourceInfo&) const = default;
};
// {"host":…,"userName":…,"path":…}. Errors: corrupt.
Json source_to_json(const SourceInfo& source);
Result<SourceInfo> source_from_json(const Json& json);
// Lexically cleaned absolute path (Go's filepath.Clean after joining).
std::string clean_path(std::string_view path, const std::string& working_directory);

enum class EntryType : char { none = 0, file = 'f', directory = 'd', symlink = 's', unknown = '?' };

struct EntryError {
  std::string path, error;
  bool operator==(const EntryError&) const = default;
};

struct Summary {
  std::int64_t size = 0, files = 0, symlinks = 0, dirs = 0;
  Timestamp max_time{};
  std::string incomplete;
  std::int64_t num_failed = 0, num_ignored_errors = 0;
  std::vector<EntryError> errors;
  bool operator==(const Summary&) const = default;
};

void append_summary_json(std::string& out, const Summary& summary);
EntryType entry_type_of(std::string_view text);

// `mode`: permission bits with setuid, setgid and sticky at their POSIX places (07777); the stored text has them at
// Go's places.
struct DirEntry {
  std::string name;
  EntryType type = EntryType::none;
  std::string type_text;  // only when type == unknown: the stored text
  std::uint32_t mode = 0;
  std::int64_t size = 0;
  Timestamp mtime{};
  std::uint32_t uid = 0, gid = 0;
  object::ObjectId obj;
  std::optional<Summary> summ;

  Json to_json() const;
  void append_json(std::string& out) const;  // byte-exact stored form
  static Result<DirEntry> from_json(const Json& json);
  bool operator==(const DirEntry&) const = default;
};

// "f", "d", "s", the stored text of an unknown type, "" for none.
std::string_view entry_type_text(const DirEntry& entry);

struct Stats {
  std::int64_t total_size = 0, excluded_total_size = 0;
  std::int64_t file_count = 0, cached_files = 0, non_cached_files = 0, dir_count = 0;
  std::int64_t excluded_file_count = 0, excluded_dir_count = 0, ignored_error_count = 0, error_count = 0;
  Json to_json() const;  // 32-bit fields clamped
  static Stats from_json(const Json& json);
};

struct SnapshotManifest {
  std::string id;  // manifest id; "" in the stored payload
  SourceInfo source;
  std::string description;
  Timestamp start_time{}, end_time{};
  Stats stats;
  std::string incomplete;
  std::optional<DirEntry> root;
  std::map<std::string, std::string> tags;
  std::vector<std::string> pins;
  std::vector<std::string> retention_reasons;  // never stored

  Json to_json(bool with_stats = true) const;  // key order of kopia-interfaces §1.9.3, `id` as set
  static Result<SnapshotManifest> from_manifest(const manifest::Manifest& m);
};

}  // namespace cairn::snapshot
