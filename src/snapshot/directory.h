// Directory objects: building, encoding and parsing. docs/format/snapshots.md (kopia-model §5.3–5.5)
//
// Neither side makes a document tree: a directory of a million entries is written and read in pieces.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "snapshot/types.h"

namespace cairn::snapshot {

inline constexpr std::string_view kDirectoryStream = "kopia:directory";

// Receives encoded bytes; a failure stops the encoding.
using ByteSink = std::function<Status(std::string_view)>;

// One pass over entries that come in stored order: directories, then all others, each ascending by the name's bytes.
// The encoded text grows in `out`; the caller may write it away and clear it between any two calls.
class DirectoryEncoder {
 public:
  explicit DirectoryEncoder(std::string& out);
  void append(const DirEntry& entry);
  // An entry that append_json() made earlier.
  void append_encoded(std::string_view entry_json);
  // Closes the object. Nothing may follow.
  void finish(const Summary& summary);

 private:
  void separator();
  std::string& out_;
  bool any_ = false;
};

// Adds up one directory's summary (§5.5). Copyable, so that a checkpoint can finish a copy.
class SummaryBuilder {
 public:
  void add(const DirEntry& entry);
  // An entry that could not be stored. `path` is relative to the snapshot's root.
  void add_error(EntryError error, bool ignored);
  std::int64_t entry_count() const { return entries_; }
  // `own_mtime`: the directory's own time, used only when it has no entries. Errors come out sorted by path, at most
  // `max_errors` of them (the counters are never cut).
  Summary finish(Timestamp own_mtime, std::string incomplete = {}, std::size_t max_errors = 10) const;

 private:
  Summary sum_;
  std::int64_t entries_ = 0;
};

// Collects complete entries in any order, then encodes them sorted. Entries are kept encoded (about the size of the
// resulting object and 24 bytes each). Not thread-safe. Copyable.
class DirectoryBuilder {
 public:
  void add(const DirEntry& entry);
  void add_error(EntryError error, bool ignored) { summary_.add_error(std::move(error), ignored); }
  std::size_t size() const { return refs_.size(); }
  const SummaryBuilder& summary_builder() const { return summary_; }
  // Writes the whole object in pieces of at least 64 KiB (the last one is shorter).
  Result<Summary> encode(Timestamp own_mtime, const std::string& incomplete, const ByteSink& sink) const;
  Summary encode(Timestamp own_mtime, const std::string& incomplete, std::string& out) const;

 private:
  struct Ref {
    std::uint64_t offset;  // raw name, then its JSON, in arena_
    std::uint32_t name_size, json_size;
    bool directory;
  };
  std::vector<Ref> sorted() const;
  std::string arena_;
  std::vector<Ref> refs_;
  SummaryBuilder summary_;
};

// One entry while the callback runs; the views die with it.
struct DirEntryView {
  std::string_view name;
  EntryType type = EntryType::none;
  std::string_view type_text;
  std::uint32_t mode = 0;
  std::int64_t size = 0;
  Timestamp mtime{};
  std::uint32_t uid = 0, gid = 0;
  object::ObjectId obj;
  const Summary* summ = nullptr;  // null when the entry has none
  DirEntry to_entry() const;
};

struct DirectoryReadOptions {
  // As Kopia presents what it reads: every child directory with a summary gets mtime = summ.maxTime and size =
  // summ.size (§9.4). Off: exactly what is stored.
  bool child_directory_times_from_summary = false;
};

// Push parser. Entries reach the callback as soon as they are complete, in stored order, duplicates included; they are
// to be trusted only once finish() succeeded (the object's type is checked there). Holds one entry at a time.
// Errors: corrupt, or what the callback returned.
class DirectoryParser {
 public:
  using OnEntry = std::function<Status(const DirEntryView&)>;
  explicit DirectoryParser(OnEntry on_entry, DirectoryReadOptions options = {});
  ~DirectoryParser();
  DirectoryParser(DirectoryParser&&) noexcept;
  Status feed(std::string_view piece);
  // Bytes after the object are ignored, as Kopia does.
  Result<Summary> finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

Result<Summary> for_each_entry(std::string_view text, const DirectoryParser::OnEntry& on_entry,
                               DirectoryReadOptions options = {});

struct Directory {
  std::vector<DirEntry> entries;  // stored order; of entries with one name only the last is kept
  Summary summary;
  // Binary search is not possible (Kopia's order groups directories): linear, null when absent.
  const DirEntry* find(std::string_view name) const;
};
Result<Directory> parse_directory(std::string_view text, DirectoryReadOptions options = {});

// False for names that must never reach a file system: empty, ".", "..", with '/' or NUL.
bool safe_entry_name(std::string_view name);

}  // namespace cairn::snapshot
