// Where restored entries go.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/status.h"
#include "snapshot/directory.h"

namespace cairn::snapshot {

struct RemovedCounts {
  std::int64_t files = 0, dirs = 0, symlinks = 0;
};

// The order of calls: prepare; for a tree begin_directory(null, root), its entries, finish_directory; for a single file
// or link the call with a null directory; finish. With concurrent(), entries of any directory may come from several
// threads at once; otherwise one thread makes all calls and each directory's files come before those of its
// sub-directories.
class RestoreOutput {
 public:
  class Directory {
   public:
    virtual ~Directory() = default;
  };
  using DirectoryPtr = std::shared_ptr<Directory>;

  // One file being written. Destroyed without finish(): abandoned.
  class File {
   public:
    virtual ~File() = default;
    // In ascending order unless the output is concurrent.
    virtual Status write_at(std::int64_t offset, ByteView bytes) = 0;
    // Called once, after all writes.
    virtual Status finish() = 0;
  };
  using FilePtr = std::shared_ptr<File>;

  virtual ~RestoreOutput() = default;
  virtual bool concurrent() const = 0;
  // Checks before anything is touched (space, right to write).
  virtual Status prepare(const DirEntry& root) = 0;
  virtual Result<DirectoryPtr> begin_directory(const DirectoryPtr& parent, const DirEntryView& entry) = 0;
  // False when nothing was in that directory before: no need to ask for entries that are already there.
  virtual bool may_hold_entries(const Directory& directory) const = 0;
  // All of the directory's entries are done.
  virtual Status finish_directory(Directory& directory, const DirEntryView& entry) = 0;
  // skip-existing: the entry need not be restored.
  virtual bool already_there(const DirectoryPtr& directory, const DirEntryView& entry) = 0;
  // delete-extra: removes what `wanted` does not know (name, is a directory).
  virtual Result<RemovedCounts> remove_extra(Directory& directory,
                                             const std::function<bool(std::string_view, bool)>& wanted) = 0;
  // `length`: bytes that will be written. `open_error_text` of the target appears in errors of the source, too.
  virtual Result<FilePtr> create_file(const DirectoryPtr& directory, const DirEntryView& entry,
                                      std::int64_t length) = 0;
  virtual Status write_file(const DirectoryPtr& directory, const DirEntryView& entry, ByteView content);
  virtual Status write_symlink(const DirectoryPtr& directory, const DirEntryView& entry, const std::string& target) = 0;
  // Placeholder for an entry that is not restored. Errors: unsupported.
  virtual Status write_placeholder(const DirectoryPtr& directory, const DirEntryView& entry) = 0;
  // Is a placeholder possible, or must the entry be real (its name is too long)?
  virtual bool placeholder_fits(const DirEntryView& entry) const = 0;
  // Name of the target for messages.
  virtual std::string describe(const DirectoryPtr& directory, std::string_view name) const = 0;
  virtual Status finish() = 0;
};

}  // namespace cairn::snapshot
