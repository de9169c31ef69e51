#include "snapshot/restore.h"

#include <algorithm>

#include "base/task_group.h"
#include "snapshot/restore_engine.h"
#include "snapshot/tree_walk.h"

namespace cairn::snapshot {
namespace {

constexpr std::size_t kBatchEntriesMax = 32;
constexpr std::int64_t kBatchBytesMax = 1 << 20;
constexpr std::int64_t kBudgetedFrom = 64 * 1024;  // smaller files are not worth the lock

bool is_chunked(const object::ObjectId& id) { return id.indirection != 0; }

}  // namespace

struct RestoreEngine::Scan {
  NodePtr node;
  // The entry before: of equal names (which follow each other) only the last counts.
  DirEntry held;
  bool holding = false;
  std::vector<DirEntry> batch;
  std::int64_t batch_bytes = 0;
};

std::string RestoreEngine::relative_path(const Node* parent, std::string_view name) const {
  std::vector<std::string_view> parts;
  parts.push_back(name);
  for (const Node* n = parent; n != nullptr && n->parent != nullptr; n = n->parent.get()) {
    parts.push_back(n->entry.name);
  }
  std::string out;
  for (auto it = parts.rbegin(); it != parts.rend(); ++it) {
    if (!out.empty()) {
      out += '/';
    }
    out += *it;
  }
  return out;
}

void RestoreEngine::fail(const Node* parent, std::string_view name, Status status) {
  if (status.is(Code::cancelled)) {
    return;
  }
  if (parent == nullptr) {
    status = std::move(status).with_frame("error copying");
  } else if (options_.ignore_errors) {
    ++progress_.ignored_errors;
    if (callbacks_.on_ignored_error) {
      callbacks_.on_ignored_error(relative_path(parent, name), status);
    }
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    if (first_error_.ok()) {
      first_error_ = std::move(status);
    }
  }
  stop_.request_stop();
}

void RestoreEngine::count_enqueued(const DirEntryView& entry) {
  if (totals_known_) {
    return;
  }
  switch (entry.type) {
    case EntryType::directory:
      ++progress_.enqueued_dirs;
      break;
    case EntryType::symlink:
      ++progress_.enqueued_symlinks;
      break;
    default:
      ++progress_.enqueued_files;
      progress_.enqueued_bytes += entry.size;
      break;
  }
}

void RestoreEngine::push(DirectoryTask task) {
  {
    const std::lock_guard lock(mutex_);
    directories_.push_back(std::move(task));
    ++outstanding_;
    ++outstanding_directories_;
  }
  changed_.notify_one();
}

void RestoreEngine::push(Job job) {
  {
    const std::lock_guard lock(mutex_);
    jobs_.push_back(std::move(job));
    ++queued_jobs_;
    ++outstanding_;
  }
  changed_.notify_one();
}

void RestoreEngine::task_done(bool was_directory) {
  bool all_read = false;
  if (was_directory) {
    const std::lock_guard lock(mutex_);
    all_read = --outstanding_directories_ == 0;
  }
  if (all_read) {
    flush_gathered();
    if (ahead_ != nullptr) {
      ahead_->drain();
    }
  }
  bool last = false;
  {
    const std::lock_guard lock(mutex_);
    last = --outstanding_ == 0;
  }
  if (last) {
    changed_.notify_all();
  }
}

void RestoreEngine::work() {
  for (;;) {
    Job job;
    DirectoryTask task;
    {
      std::unique_lock lock(mutex_);
      ++idle_;
      changed_.wait(lock, stop(), [&] { return !jobs_.empty() || !directories_.empty() || outstanding_ == 0; });
      --idle_;
      if (stop().stop_requested() || (jobs_.empty() && directories_.empty())) {
        return;
      }
      // Parts of what has been begun come first: fewer things are unfinished at once.
      if (!jobs_.empty()) {
        job = std::move(jobs_.front());
        jobs_.pop_front();
        --queued_jobs_;
      } else {
        task = std::move(directories_.back());
        directories_.pop_back();
      }
    }
    if (job) {
      job();
      task_done(false);
    } else {
      restore_directory(std::move(task));
      task_done(true);
    }
  }
}

void RestoreEngine::release(NodePtr node) {
  while (node != nullptr && --node->pending == 0) {
    if (!stop().stop_requested() && node->handle != nullptr) {
      const Status s = output_.finish_directory(*node->handle, view_of(node->entry));
      if (!s.ok()) {
        fail(node->parent.get(), node->entry.name, s.with_frame("finish directory"));
      }
    }
    node->handle.reset();
    node = node->parent;
  }
}

bool RestoreEngine::begin(Node& node) {
  auto handle = output_.begin_directory(node.parent ? node.parent->handle : nullptr, view_of(node.entry));
  if (!handle.ok()) {
    fail(node.parent.get(), node.entry.name,
         std::move(handle).status().with_frame("error creating directory").with_frame("create directory"));
    return false;
  }
  node.handle = std::move(*handle);
  node.may_hold_entries = output_.may_hold_entries(*node.handle);
  ++progress_.restored_dirs;
  return true;
}

void RestoreEngine::restore_directory(DirectoryTask task) {
  auto node = std::make_shared<Node>();
  node->parent = std::move(task.parent);
  node->entry = std::move(task.entry);
  node->depth = task.depth;
  if (ahead_ != nullptr) {
    begin_in_order(node);
  } else if (!begin(*node)) {
    release(std::move(node));
    return;
  }
  Status s;
  if (options_.delete_extra && node->may_hold_entries) {
    s = remove_extra(*node);
  }
  if (s.ok()) {
    s = scan_directory(node);
  }
  if (!s.ok()) {
    fail(node->parent.get(), node->entry.name, std::move(s).with_frame("copy directory contents"));
  }
  release(std::move(node));
}

Status RestoreEngine::remove_extra(Node& node) {
  // Names back to back, sorted references to them.
  std::string names;
  struct Known {
    std::size_t offset, size;
    bool directory;
  };
  std::vector<Known> known;
  const auto collect = [&](const DirEntryView& e) -> Status {
    known.push_back({names.size(), e.name.size(), e.type == EntryType::directory});
    names += e.name;
    return {};
  };
  TRY(for_each_child(objects_, node.entry.obj, collect, {}, stop()), "error reading directory");
  const auto name_of = [&](const Known& k) { return std::string_view(names).substr(k.offset, k.size); };
  std::ranges::sort(known, {}, name_of);
  const auto wanted = [&](std::string_view name, bool directory) {
    const auto it = std::ranges::lower_bound(known, name, {}, name_of);
    return it != known.end() && name_of(*it) == name && it->directory == directory;
  };
  TRY_ASSIGN(const RemovedCounts removed, output_.remove_extra(*node.handle, wanted), "error deleting extra entries");
  progress_.deleted_files += removed.files;
  progress_.deleted_dirs += removed.dirs;
  progress_.deleted_symlinks += removed.symlinks;
  return {};
}

Status RestoreEngine::scan_directory(const NodePtr& node) {
  Scan scan;
  scan.node = node;
  const auto each = [&](const DirEntryView& e) -> Status {
    if (scan.holding && scan.held.name != e.name) {
      TRY(child(scan, view_of(scan.held)));
    }
    hold(scan, e);
    return {};
  };
  auto read = for_each_child(objects_, node->entry.obj, each, {}, stop());
  if (scan.holding) {
    (void)child(scan, view_of(scan.held));  // fails only when the restore stops
  }
  for (const DirEntry& e : scan.batch) {
    restore_entry(node, view_of(e));
  }
  return read.ok() ? Status() : std::move(read).status().with_frame("error reading directory");
}

void RestoreEngine::hold(Scan& scan, const DirEntryView& entry) {
  DirEntry& h = scan.held;
  h.name.assign(entry.name);
  h.type = entry.type;
  h.type_text.assign(entry.type_text);
  h.mode = entry.mode;
  h.size = entry.size;
  h.mtime = entry.mtime;
  h.uid = entry.uid;
  h.gid = entry.gid;
  h.obj = entry.obj;
  h.summ = entry.summ == nullptr ? std::nullopt : std::optional<Summary>(*entry.summ);
  scan.holding = true;
}

bool RestoreEngine::placeholder_wanted(const DirEntryView& entry, std::int64_t depth) const {
  if (depth <= options_.shallow_depth || entry.type == EntryType::symlink) {
    return false;
  }
  if (entry.type == EntryType::directory) {
    return output_.placeholder_fits(entry);
  }
  return entry.size >= options_.shallow_min_size;
}

Status RestoreEngine::child(Scan& scan, const DirEntryView& entry) {
  if (stop().stop_requested()) {
    return Status(Code::cancelled, "cancelled");
  }
  const NodePtr& node = scan.node;
  if (!safe_entry_name(entry.name)) {
    fail(node.get(), entry.name, error(Code::corrupt, "unsafe entry name \"{}\" refused", entry.name));
    return {};
  }
  count_enqueued(entry);
  if (placeholder_wanted(entry, node->depth + 1)) {
    if (Status s = restore_placeholder(node, entry); !s.ok()) {
      fail(node.get(), entry.name, std::move(s));
    }
    return {};
  }
  switch (entry.type) {
    case EntryType::directory:
      ++node->pending;
      push(DirectoryTask{node, entry.to_entry(), node->depth + 1});
      break;
    case EntryType::file:
    case EntryType::symlink:
      file(scan, entry);
      break;
    default:
      fail(node.get(), entry.name, error(Code::unsupported, "unknown entry type \"{}\"", entry.type_text));
      break;
  }
  return {};
}

void RestoreEngine::file(Scan& scan, const DirEntryView& entry) {
  if (ahead_ != nullptr) {
    restore_in_order(scan.node, entry);
    return;
  }
  if (options_.together && gather(scan.node, entry)) {
    return;
  }
  if (!output_.concurrent() || !others_are_idle()) {
    restore_entry(scan.node, entry);
    return;
  }
  scan.batch.push_back(entry.to_entry());
  scan.batch_bytes += entry.size;
  if (scan.batch.size() >= kBatchEntriesMax || scan.batch_bytes >= kBatchBytesMax) {
    flush(scan);
  }
}

void RestoreEngine::flush(Scan& scan) {
  ++scan.node->pending;
  push([this, node = scan.node, batch = std::move(scan.batch)] {
    for (const DirEntry& e : batch) {
      if (!stop().stop_requested()) {
        restore_entry(node, view_of(e));
      }
    }
    release(node);
  });
  scan.batch.clear();
  scan.batch_bytes = 0;
}

void RestoreEngine::restore_entry(const NodePtr& node, const DirEntryView& entry) {
  if (!skip(node, entry)) {
    restore_now(node, entry);
  }
}

bool RestoreEngine::skip(const NodePtr& node, const DirEntryView& entry) {
  if (!options_.skip_existing || (node != nullptr && !node->may_hold_entries) ||
      !output_.already_there(node ? node->handle : nullptr, entry)) {
    return false;
  }
  ++progress_.skipped_count;
  if (entry.type == EntryType::file) {
    progress_.skipped_bytes += entry.size;
  }
  return true;
}

void RestoreEngine::restore_now(const NodePtr& node, const DirEntryView& entry) {
  Status s = entry.type == EntryType::symlink ? restore_symlink(node, entry) : restore_file(node, entry);
  if (!s.ok()) {
    fail(node.get(), entry.name, std::move(s));
  }
}

Status RestoreEngine::source_error(const NodePtr& node, const DirEntryView& entry, Status status) {
  if (status.is(Code::cancelled)) {
    return status;
  }
  const std::string target = output_.describe(node ? node->handle : nullptr, entry.name);
  return explain_object_error(objects_, entry.obj, std::move(status), stop())
      .with_frame(entry.obj.text())
      .with_frame("unable to open object")
      .with_frame("unable to open snapshot file for " + target)
      .with_frame("error creating file")
      .with_frame("copy file");
}

Status RestoreEngine::restore_file(const NodePtr& node, const DirEntryView& entry) {
  return is_chunked(entry.obj) ? restore_chunked(node, entry) : restore_direct(node, entry);
}

Status RestoreEngine::restore_direct(const NodePtr& node, const DirEntryView& entry) {
  const ByteBudget::Lease lease =
      entry.size >= kBudgetedFrom ? budget_.take(held_bytes(entry.size)) : ByteBudget::Lease();
  // All of it is in memory before the target is touched.
  auto content = objects_.read_chunk(entry.obj, stop());
  if (!content.ok()) {
    return source_error(node, entry, std::move(content).status());
  }
  return write_direct(node, entry, content->view());
}

Status RestoreEngine::write_direct(const NodePtr& node, const DirEntryView& entry, ByteView content) {
  TRY(output_.write_file(node ? node->handle : nullptr, entry, content), "copy file");
  ++progress_.restored_files;
  progress_.restored_bytes += entry.size;
  progress_.written_bytes += entry.size;
  return {};
}

Status RestoreEngine::restore_chunked(const NodePtr& node, const DirEntryView& entry) {
  auto reader = objects_.open(entry.obj, stop());
  if (!reader.ok()) {
    return source_error(node, entry, std::move(reader).status());
  }
  auto big = std::make_shared<BigFile>();
  big->node = node;
  big->entry = entry.to_entry();
  big->length = (*reader)->length();
  reader->reset();
  TRY_ASSIGN(big->file, output_.create_file(node ? node->handle : nullptr, entry, big->length), "copy file");
  if (node != nullptr) {
    ++node->pending;
  }
  const auto each = [&](const object::IndirectEntry& chunk) -> Status {
    if (big->failed || stop().stop_requested()) {
      return Status(Code::cancelled, "cancelled");
    }
    if (!output_.concurrent() || !others_are_idle()) {
      return restore_chunk(*big, chunk);
    }
    ++big->pending;
    push([this, big, chunk] {
      if (!big->failed && !stop().stop_requested()) {
        if (Status s = restore_chunk(*big, chunk); !s.ok()) {
          big->set_error(std::move(s));
        }
      }
      big_file_part_done(big);
    });
    return {};
  };
  if (Status s = objects_.for_each_chunk(entry.obj, each, stop()); !s.ok() && !big->failed) {
    big->set_error(std::move(s));
  }
  big_file_part_done(big);
  return {};
}

Status RestoreEngine::restore_chunk(BigFile& big, const object::IndirectEntry& chunk) {
  if (chunk.start < 0 || chunk.length < 0 || chunk.length > big.length - chunk.start) {
    return error(Code::corrupt, "object {} has a chunk outside its length", big.entry.obj.text());
  }
  const ByteBudget::Lease lease = budget_.take(held_bytes(chunk.length));
  auto content = objects_.read_chunk(chunk.object, stop());
  if (!content.ok()) {
    return explain_object_error(objects_, chunk.object, std::move(content).status(), stop())
        .with_frame(fmt::format("object {} at offset {}", big.entry.obj.text(), chunk.start));
  }
  return write_chunk(big, chunk, content->view());
}

Status RestoreEngine::write_chunk(BigFile& big, const object::IndirectEntry& chunk, ByteView content) {
  if (static_cast<std::int64_t>(content.size()) != chunk.length) {
    return error(Code::corrupt, "object {}: chunk {} has {} bytes instead of {}", big.entry.obj.text(),
                 chunk.object.text(), content.size(), chunk.length);
  }
  TRY(big.file->write_at(chunk.start, content));
  progress_.written_bytes += chunk.length;
  return {};
}

void RestoreEngine::big_file_part_done(const std::shared_ptr<BigFile>& big) {
  if (--big->pending != 0) {
    return;
  }
  Status s;
  if (big->failed) {
    const std::lock_guard lock(big->mutex);
    s = big->error;
  } else if (stop().stop_requested()) {
    s = Status(Code::cancelled, "cancelled");
  }
  if (!s.ok()) {
    if (!s.is(Code::cancelled)) {
      s = std::move(s)
              .with_frame("unable to restore " +
                          output_.describe(big->node ? big->node->handle : nullptr, big->entry.name))
              .with_frame("error creating file");
    }
  } else {
    s = big->file->finish();
  }
  big->file.reset();
  if (s.ok()) {
    ++progress_.restored_files;
    progress_.restored_bytes += big->entry.size;
  } else {
    fail(big->node.get(), big->entry.name, std::move(s).with_frame("copy file"));
  }
  release(big->node);
}

Status RestoreEngine::restore_symlink(const NodePtr& node, const DirEntryView& entry) {
  auto content = objects_.read_all(entry.obj, kRestoredLinkMax, stop());
  if (!content.ok()) {
    return explain_object_error(objects_, entry.obj, std::move(content).status(), stop())
        .with_frame(entry.obj.text())
        .with_frame("error reading link target: unable to open object")
        .with_frame("create symlink");
  }
  return write_link(node, entry, std::string(content->text()));
}

Status RestoreEngine::write_link(const NodePtr& node, const DirEntryView& entry, const std::string& target) {
  if (target.find('\0') != std::string::npos) {
    return error(Code::corrupt, "create symlink: link target of object {} contains a zero byte", entry.obj.text());
  }
  TRY(output_.write_symlink(node ? node->handle : nullptr, entry, target), "create symlink");
  ++progress_.restored_symlinks;
  return {};
}

Status RestoreEngine::restore_placeholder(const NodePtr& node, const DirEntryView& entry) {
  TRY(output_.write_placeholder(node->handle, entry), "create placeholder");
  if (entry.type == EntryType::directory) {
    ++progress_.restored_dirs;
  } else {
    ++progress_.restored_files;
    progress_.restored_bytes += entry.size;
  }
  return {};
}

Status RestoreEngine::run(const DirEntry& root, std::stop_token stop) {
  const std::stop_callback forward(stop, [this] { stop_.request_stop(); });
  TRY(check_restorable(objects_, root, stop), "restore error");
  if (root.type == EntryType::directory) {
    if (root.summ && options_.shallow_depth >= (std::int64_t{1} << 40)) {
      totals_known_ = true;
      progress_.enqueued_dirs = root.summ->dirs;
      progress_.enqueued_files = root.summ->files;
      progress_.enqueued_symlinks = root.summ->symlinks;
      progress_.enqueued_bytes = root.summ->size;
    }
  } else {
    count_enqueued(view_of(root));
  }
  TRY(output_.prepare(root), "restore error");
  if (options_.together && !output_.concurrent()) {
    const content::ReadStyle style{.together = true, .requests = options_.parallel, .limits = options_.limits};
    ahead_ = std::make_unique<object::ReadAhead>(objects_.contents(), style, this->stop());
  }
  if (root.type == EntryType::directory) {
    push(DirectoryTask{nullptr, root, 0});
  } else {
    push([this, &root] {
      if (ahead_ == nullptr) {
        restore_entry(nullptr, view_of(root));
      } else {
        restore_in_order(nullptr, view_of(root));
        ahead_->drain();
      }
    });
  }
  const unsigned wanted = options_.parallel != 0 ? options_.parallel : cpu_count();
  {
    std::vector<std::jthread> workers;
    const unsigned count = output_.concurrent() ? std::clamp(wanted, 1U, 256U) : 1U;
    workers.reserve(count);
    for (unsigned i = 0; i < count; ++i) {
      workers.emplace_back([this] { work(); });
    }
  }
  // Jobs left behind by a stop hold files and directories.
  jobs_.clear();
  directories_.clear();
  gathered_.reset();
  ahead_.reset();
  if (!first_error_.ok()) {
    return first_error_.with_frame("restore error");
  }
  if (stop.stop_requested()) {
    return Status(Code::cancelled, "restore error: cancelled");
  }
  TRY(output_.finish(), "restore error");
  return {};
}

Status check_restorable(object::ObjectManager& objects, const DirEntry& root, std::stop_token stop) {
  if (root.type != EntryType::directory) {
    return {};  // a file is read, at least its index, before its target is created
  }
  TRY(for_each_child(
          objects, root.obj, [](const DirEntryView&) { return Status(); }, {}, stop),
      "error copying: copy directory contents: error reading directory");
  return {};
}

Status restore_tree(object::ObjectManager& objects, const DirEntry& root, RestoreOutput& output,
                    const RestoreOptions& options, RestoreProgress& progress, const RestoreCallbacks& callbacks,
                    std::stop_token stop) {
  RestoreEngine engine(objects, output, options, progress, callbacks);
  return engine.run(root, stop);
}

}  // namespace cairn::snapshot
