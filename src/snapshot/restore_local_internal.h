// The one implementation of LocalOutput. For this folder only: restore_local.cc (the target, its directories) and
// restore_local_entry.cc (what stands in them).
#pragma once

#include <sys/types.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/guarded.h"
#include "snapshot/restore_local.h"
#include "snapshot/restore_local_file.h"
#include "sys/file.h"

namespace cairn::snapshot {

inline constexpr std::size_t kNameMax = 255;
inline constexpr mode_t kNewDirectoryMode = 0700;
inline constexpr const char* kPlaceholderFile = ".kopia-entry";

using FdPtr = std::shared_ptr<sys::UniqueFd>;

struct LocalDirectory : RestoreOutput::Directory {
  std::shared_ptr<LocalDirectory> parent;  // null: `name` is a path
  std::string name;
  bool existed = false;
  std::optional<mode_t> original_mode;  // widened so that we can work in it
  std::mutex mutex;
  FdPtr fd;  // null: reopened through the parent at each use (too many are open)

  std::string path() const {
    std::vector<const LocalDirectory*> chain;
    for (const LocalDirectory* d = this; d != nullptr; d = d->parent.get()) {
      chain.push_back(d);
    }
    std::string out = chain.back()->name;
    for (auto it = chain.rbegin() + 1; it != chain.rend(); ++it) {
      out = sys::join_path(out, (*it)->name);
    }
    return out;
  }
};

// One name in an open directory.
struct Place {
  std::shared_ptr<LocalDirectory> directory;
  FdPtr fd;
  std::string name;
  bool top = false;  // named by the user: links are followed and devices written to
  std::string path() const { return sys::join_path(directory->path(), name); }
};

class LocalOutputImpl final : public LocalOutput {
 public:
  LocalOutputImpl(std::string target, const LocalOutputOptions& options);

  bool concurrent() const override { return true; }
  Status prepare(const DirEntry& root) override;
  Result<DirectoryPtr> begin_directory(const DirectoryPtr& parent, const DirEntryView& entry) override;
  bool may_hold_entries(const Directory& directory) const override {
    return static_cast<const LocalDirectory&>(directory).existed;
  }
  Status finish_directory(Directory& directory, const DirEntryView& entry) override;
  bool already_there(const DirectoryPtr& directory, const DirEntryView& entry) override;
  Result<RemovedCounts> remove_extra(Directory& directory,
                                     const std::function<bool(std::string_view, bool)>& wanted) override;
  Result<FilePtr> create_file(const DirectoryPtr& directory, const DirEntryView& entry, std::int64_t length) override;
  Status write_symlink(const DirectoryPtr& directory, const DirEntryView& entry, const std::string& target) override;
  Status write_placeholder(const DirectoryPtr& directory, const DirEntryView& entry) override;
  bool placeholder_fits(const DirEntryView& entry) const override {
    return entry.name.size() + kPlaceholderSuffix.size() <= kNameMax;
  }
  std::string describe(const DirectoryPtr& directory, std::string_view name) const override {
    return directory == nullptr ? target_ : sys::join_path(static_cast<const LocalDirectory&>(*directory).path(), name);
  }
  Status finish() override { return {}; }
  AttributeProblems attribute_problems() const override {
    auto lock = const_cast<Guarded<AttributeProblems>&>(problems_).lock();
    return *lock;
  }
  // Attributes, flush and name of a file whose bytes are written.
  Status complete(FileTarget& target, const Place& at, const DirEntryView& entry);

 private:
  Result<DirectoryPtr> begin_root(const DirEntryView& entry);
  Result<DirectoryPtr> adopt(std::shared_ptr<LocalDirectory> d, int parent_fd, bool follow);
  Status check_existing(const LocalDirectory& d, int parent_fd, bool follow);
  Result<FdPtr> fd_of(LocalDirectory& d);
  Result<Place> place(const DirectoryPtr& directory, std::string_view name);
  Status open_target(const Place& at, FileTarget& out);
  Status create_temporary(const Place& at, FileTarget& out);
  Status set_attributes(int fd, int dirfd, const char* name, const DirEntryView& entry, std::uint32_t mode,
                        const std::function<std::string()>& path);
  Status attribute_failed(Status status, std::string_view what, const std::string& path);
  void remove_placeholder(int dirfd, std::string_view name);
  Status write_placeholder_file(const Place& at, const DirEntryView& entry, const std::string& json);

  const std::string target_;
  const LocalOutputOptions options_;
  int directory_fds_max_ = 256;
  std::atomic<int> directory_fds_{0};
  Guarded<AttributeProblems> problems_;
};

}  // namespace cairn::snapshot
