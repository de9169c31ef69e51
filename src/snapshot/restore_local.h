// Restoring to the local file system: by directory descriptor, never through a link below the target. (kopia-model
// §9.4)
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "snapshot/restore_output.h"

namespace cairn::snapshot {

inline constexpr std::string_view kPlaceholderSuffix = ".kopia-entry";

struct LocalOutputOptions {
  bool overwrite_directories = true;
  bool overwrite_files = true;
  bool overwrite_symlinks = true;
  bool write_sparse_files = false;
  bool write_files_atomically = false;
  bool skip_owners = false;
  bool skip_permissions = false;
  bool skip_times = false;
  // EPERM and EACCES of chown, chmod and utimes do not fail the restore.
  bool ignore_permission_errors = true;
  // Every attribute that could not be set is kept for attribute_problems() (and does not stop the restore).
  bool collect_attribute_problems = false;
  bool flush_files = false;
  bool check_free_space = true;
};

struct AttributeProblems {
  std::int64_t count = 0;
  std::vector<std::string> texts;  // the first ones
};

class LocalOutput : public RestoreOutput {
 public:
  // `target` is absolute and clean.
  static std::unique_ptr<LocalOutput> create(std::string target, const LocalOutputOptions& options);
  virtual AttributeProblems attribute_problems() const = 0;
};

// The entry that a placeholder stands for; `path` is the placeholder's. Errors: not_found, corrupt.
Result<DirEntry> read_placeholder(const std::string& path);

}  // namespace cairn::snapshot
