#include "snapshot/rewrite.h"

#include <algorithm>

#include "base/task_group.h"
#include "snapshot/tree_walk.h"

namespace cairn::snapshot {
namespace {

constexpr std::size_t kBatchMax = 1024;

std::string below(const std::string& path, const std::string& name) { return path.empty() ? name : path + '/' + name; }

}  // namespace

// One directory while it is read.
class TreeRewriter::Rewriting {
 public:
  Rewriting(TreeRewriter& tree, std::string path, std::stop_token stop)
      : tree_(tree), path_(std::move(path)), stop_(std::move(stop)) {}

  Status add(DirEntry child) {
    if (child.type == EntryType::directory) {
      auto now = tree_.rewrite(child, below(path_, child.name), stop_);
      TRY(now);
      account(child, *now);
      return {};
    }
    batch_.push_back(std::move(child));
    return batch_.size() < kBatchMax ? Status() : work_off();
  }

  Status work_off() {
    std::vector<std::optional<DirEntry>> now(batch_.size());
    const auto decide = [&](std::size_t i, std::stop_token stop) -> Status {
      TRY_ASSIGN(now[i], tree_.rules_.decide(batch_[i], below(path_, batch_[i].name), stop));
      return {};
    };
    const auto threads = static_cast<unsigned>(std::min<std::size_t>(tree_.options_.parallel, batch_.size()));
    TRY(parallel_for(batch_.size(), std::max(threads, 1U), stop_, decide));
    for (std::size_t i = 0; i < batch_.size(); ++i) {
      account(batch_[i], now[i]);
    }
    batch_.clear();
    return {};
  }

  // What went wrong with the directory's own entries when it was stored is not forgotten.
  void keep_errors(const Summary& old) {
    std::int64_t failed = old.num_failed - children_failed_;
    std::int64_t ignored = old.num_ignored_errors - children_ignored_;
    for (const EntryError& e : old.errors) {
      if (std::ranges::find(children_errors_, e) != children_errors_.end()) {
        continue;
      }
      if (failed-- > 0) {
        builder_.add_error(e, false);
      } else if (ignored-- > 0) {
        builder_.add_error(e, true);
      }
    }
  }

  bool changed() const { return changed_; }
  const DirectoryBuilder& builder() const { return builder_; }

 private:
  void account(const DirEntry& before, const std::optional<DirEntry>& now) {
    if (before.summ) {
      children_failed_ += before.summ->num_failed;
      children_ignored_ += before.summ->num_ignored_errors;
      children_errors_.insert(children_errors_.end(), before.summ->errors.begin(), before.summ->errors.end());
    }
    changed_ = changed_ || now != before;
    if (now) {
      builder_.add(*now);
    }
  }

  TreeRewriter& tree_;
  const std::string path_;
  const std::stop_token stop_;
  DirectoryBuilder builder_;
  std::vector<DirEntry> batch_;
  std::vector<EntryError> children_errors_;
  std::int64_t children_failed_ = 0, children_ignored_ = 0;
  bool changed_ = false;
};

TreeRewriter::NewEntry TreeRewriter::rewrite(const DirEntry& entry, const std::string& path,
                                             const std::stop_token& stop) {
  std::string key;
  const bool memoise = options_.memoise && entry.type == EntryType::directory;
  if (memoise) {
    entry.append_json(key);
    if (const auto it = done_.find(key); it != done_.end()) {
      return it->second;
    }
  }
  TRY_ASSIGN(std::optional<DirEntry> now, rules_.decide(entry, path, stop));
  if (now && now->type == EntryType::directory) {
    const DirEntry decided = *now;
    TRY_ASSIGN(now, rewrite_directory(decided, path, stop));
  }
  if (memoise) {
    done_.emplace(std::move(key), now);
  }
  return now;
}

TreeRewriter::NewEntry TreeRewriter::rewrite_directory(const DirEntry& entry, const std::string& path,
                                                       const std::stop_token& stop) {
  Rewriting rewriting(*this, path, stop);
  Status inner;  // of what is below, not of this directory
  const auto each = [&](const DirEntryView& view) -> Status { return inner = rewriting.add(view.to_entry()); };
  const auto old = for_each_child(from_, entry.obj, each, {}, stop);
  TRY(std::move(inner));
  if (!old.ok()) {
    return old.code() == Code::cancelled ? NewEntry(old.status()) : rules_.on_unreadable(entry, path, old.status());
  }
  TRY(rewriting.work_off());
  if (!rewriting.changed() && &from_ == &to_) {
    return std::optional<DirEntry>(entry);
  }
  rewriting.keep_errors(*old);
  DirEntry now = entry;
  TRY(write(rewriting.builder(), old->incomplete, now, stop), "unable to write directory \"{}\"", path);
  return std::optional<DirEntry>(std::move(now));
}

Status TreeRewriter::write(const DirectoryBuilder& builder, const std::string& incomplete, DirEntry& directory,
                           const std::stop_token& stop) {
  const auto writer = to_.new_writer(
      {.prefix = 'k', .compressor = options_.metadata_compressor, .metadata_compressor = options_.metadata_compressor});
  const auto sink = [&](std::string_view piece) { return writer->write(as_bytes(piece), stop); };
  TRY_ASSIGN(directory.summ, builder.encode(directory.mtime, incomplete, sink));
  TRY_ASSIGN(directory.obj, writer->result(stop));
  return {};
}

}  // namespace cairn::snapshot
