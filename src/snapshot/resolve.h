// From what a person types (ids, paths, sources) to an entry of a tree. (kopia-model §9.1, kopia-interfaces §1.6)
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "repo/repository.h"
#include "snapshot/time_filter.h"
#include "snapshot/types.h"

namespace cairn::snapshot {

struct ResolveOptions {
  // Several snapshots with this root but different attributes: an error instead of the latest one's.
  bool consistent_attributes = false;
  // As Kopia: the entry found through a path or below an object id loses its own attributes and gets generic ones.
  bool generic_nested_attributes = false;
};

struct ResolvedEntry {
  DirEntry entry;     // its name may be empty ("/" never occurs)
  SourceInfo source;  // empty when unknown
  std::string snapshot_id;
  Timestamp snapshot_time = Timestamp::zero();
  std::string relative_path;  // below the snapshot's root
};

// Text in Go's words when `text` is no object id: `malformed content ID: "x": …`.
std::string object_id_problem(std::string_view text);
// True when the part before the first '/' is non-empty and parses as an object id (every manifest id does).
bool looks_like_id(std::string_view text);

// "ID[/path]", manifest id first. Errors: invalid_argument, not_found, with the words of the command line.
Result<ResolvedEntry> resolve_id(repo::Repository& repository, std::string_view text, const ResolveOptions& options,
                                 std::stop_token stop);
// A source text or a path: the newest snapshot that holds it and passes the filter. Errors: not_found "no snapshots
// contain data for X".
Result<ResolvedEntry> resolve_path(repo::Repository& repository, std::string_view text,
                                   const std::string& working_directory, const SnapshotTimeFilter& filter,
                                   const ResolveOptions& options, std::stop_token stop);
// An object id, or one with a path below it; manifest ids are not looked at (`show`).
Result<object::ObjectId> resolve_object_id(object::ObjectManager& objects, std::string_view text, std::stop_token stop);

// What an object id alone tells: a directory (mode 0555) when it is one and can be read, otherwise a file (0644).
Result<DirEntry> entry_of_object(object::ObjectManager& objects, const object::ObjectId& id, std::stop_token stop);

}  // namespace cairn::snapshot
