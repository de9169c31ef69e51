#include "snapshot/tree_walk.h"

#include <algorithm>
#include <condition_variable>
#include <optional>
#include <thread>

#include "base/task_group.h"

namespace cairn::snapshot {
namespace {

constexpr std::size_t kErrorTextsMax = 1000;

std::string child_path(std::string_view parent, std::string_view name) {
  std::string out;
  out.reserve(parent.size() + 1 + name.size());
  out += parent;
  if (!out.empty()) {
    out += '/';
  }
  out += name;
  return out;
}

}  // namespace

Result<Summary> for_each_child(object::ObjectManager& objects, const object::ObjectId& directory,
                               const DirectoryParser::OnEntry& on_entry, DirectoryReadOptions options,
                               std::stop_token stop) {
  DirectoryParser parser(on_entry, options);
  bool ours = false;  // the failure came from the parser or the callback
  const auto sink = [&](ByteView piece) -> Status {
    Status s = parser.feed(as_text(piece));
    ours = !s.ok();
    return s;
  };
  Status read = objects.read(directory, sink, stop);
  if (!read.ok()) {
    if (ours || read.is(Code::cancelled)) {
      return read;
    }
    return explain_object_error(objects, directory, std::move(read), stop)
        .with_frame(directory.text())
        .with_frame("unable to open object");
  }
  return parser.finish();
}

Result<DirEntry> find_child(object::ObjectManager& objects, const object::ObjectId& directory, std::string_view name,
                            DirectoryReadOptions options, std::stop_token stop) {
  std::optional<DirEntry> found;
  const auto match = [&](const DirEntryView& entry) -> Status {
    if (entry.name == name) {
      found = entry.to_entry();
    }
    return {};
  };
  TRY(for_each_child(objects, directory, match, options, stop));
  if (!found) {
    return Status(Code::not_found, "entry not found");
  }
  return std::move(*found);
}

Status explain_object_error(object::ObjectManager& objects, const object::ObjectId& id, Status status,
                            std::stop_token stop) {
  if (!status.is(Code::not_found)) {
    return status;
  }
  const auto info = objects.contents().info(id.content, stop);
  if (!info.ok()) {
    return error(Code::not_found, "content {} not found: object not found", id.content.text());
  }
  const auto blob = objects.contents().storage().metadata(info->pack, stop);
  if (blob.code() == Code::not_found) {
    return error(Code::not_found,
                 "unexpected content error: error getting cached content from blob \"{}\": failed to get blob with ID "
                 "{}: BLOB not found",
                 info->pack.text, info->pack.text);
  }
  return status;
}

DirEntryView view_of(const DirEntry& entry) {
  DirEntryView v;
  v.name = entry.name;
  v.type = entry.type;
  v.type_text = entry.type_text;
  v.mode = entry.mode;
  v.size = entry.size;
  v.mtime = entry.mtime;
  v.uid = entry.uid;
  v.gid = entry.gid;
  v.obj = entry.obj;
  v.summ = entry.summ ? &*entry.summ : nullptr;
  return v;
}

ObjectIdSet::Key ObjectIdSet::key_of(const object::ObjectId& id) {
  Key k;
  std::memcpy(&k.a, id.content.hash.data(), 8);
  std::memcpy(&k.b, id.content.hash.data() + 8, 8);
  // Prefix and level are folded in: the same hash under another prefix is another object.
  const std::uint64_t kind = static_cast<std::uint64_t>(id.content.prefix) | std::uint64_t{id.indirection} << 8 |
                             std::uint64_t{id.compressed} << 16;
  k.a ^= kind * 0x9e3779b97f4a7c15ULL;
  if (k == Key{}) {
    k.a = 1;
  }
  return k;
}

void ObjectIdSet::grow() {
  std::vector<Key> old = std::move(slots_);
  slots_.assign(old.empty() ? 1024 : old.size() * 2, Key{});
  const std::size_t mask = slots_.size() - 1;
  for (const Key& k : old) {
    if (k == Key{}) {
      continue;
    }
    std::size_t i = k.b & mask;
    while (slots_[i] != Key{}) {
      i = (i + 1) & mask;
    }
    slots_[i] = k;
  }
}

bool ObjectIdSet::insert(const object::ObjectId& id) {
  const Key k = key_of(id);
  const std::lock_guard lock(mutex_);
  if (used_ * 4 >= slots_.size() * 3) {
    grow();
  }
  const std::size_t mask = slots_.size() - 1;
  std::size_t i = k.b & mask;
  while (slots_[i] != Key{}) {
    if (slots_[i] == k) {
      return false;
    }
    i = (i + 1) & mask;
  }
  slots_[i] = k;
  ++used_;
  return true;
}

bool ObjectIdSet::contains(const object::ObjectId& id) const {
  const Key k = key_of(id);
  const std::lock_guard lock(mutex_);
  if (slots_.empty()) {
    return false;
  }
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t i = k.b & mask; slots_[i] != Key{}; i = (i + 1) & mask) {
    if (slots_[i] == k) {
      return true;
    }
  }
  return false;
}

std::size_t ObjectIdSet::size() const {
  const std::lock_guard lock(mutex_);
  return used_;
}

// Directories wait on a stack, so that what is open grows with the depth of the trees and not with their width.
// A root is begun only when the one before has been listed: what is reported first does not depend on luck.
struct TreeWalker::Shared {
  std::vector<Root> roots;
  std::mutex mutex;
  std::condition_variable_any changed;
  std::vector<Pending> stack;
  std::size_t next_root = 0;
  bool root_busy = false;
  unsigned busy = 0;

  bool root_is_next() const { return stack.empty() && next_root < roots.size() && !root_busy; }
};

TreeWalker::TreeWalker(object::ObjectManager& objects, Options options, OnEntry on_entry)
    : objects_(objects), options_(std::move(options)), on_entry_(std::move(on_entry)) {}

bool TreeWalker::report(const std::string& path, const Status& status) {
  if (status.is(Code::cancelled)) {
    return false;
  }
  const std::lock_guard lock(errors_mutex_);
  ++error_count_;
  if (error_texts_.size() < kErrorTextsMax) {
    error_texts_.push_back(status.message());
  }
  if (first_error_.ok()) {
    first_error_ = status;
  }
  if (options_.on_error) {
    options_.on_error(path, status);
  }
  const std::int64_t limit = options_.max_errors == 0 ? 1 : options_.max_errors;
  if (limit > 0 && error_count_ >= limit) {
    stop_.request_stop();
    return false;
  }
  return true;
}

std::int64_t TreeWalker::error_count() const {
  const std::lock_guard lock(errors_mutex_);
  return error_count_;
}

std::vector<std::string> TreeWalker::error_texts() const {
  const std::lock_guard lock(errors_mutex_);
  return error_texts_;
}

Status TreeWalker::result() const {
  const std::lock_guard lock(errors_mutex_);
  if (error_count_ <= 1) {
    return first_error_;
  }
  return error(first_error_.code(), "encountered {} errors", error_count_);
}

Status TreeWalker::visit(const DirEntryView& entry, const std::string& path, bool* pushed, Shared& shared,
                         std::stop_token stop) {
  if (stop.stop_requested()) {
    return Status(Code::cancelled, "cancelled");
  }
  const bool plain = entry.type != EntryType::directory && entry.obj.indirection == 0;
  if (!(plain && options_.forget_plain) && !visited_.insert(entry.obj)) {
    return {};
  }
  Status s = on_entry_(entry, path, stop);
  if (!s.ok()) {
    return report(path, s) ? Status() : Status(Code::cancelled, "cancelled");
  }
  if (entry.type == EntryType::directory) {
    {
      const std::lock_guard lock(shared.mutex);
      shared.stack.push_back({path, entry.obj, pushed != nullptr});
    }
    if (pushed != nullptr) {
      *pushed = true;
    }
    shared.changed.notify_one();
  }
  return {};
}

void TreeWalker::list(const Pending& directory, Shared& shared, std::stop_token stop) {
  const auto on_entry = [&](const DirEntryView& child) {
    return visit(child, child_path(directory.path, child.name), nullptr, shared, stop);
  };
  auto listed = for_each_child(objects_, directory.id, on_entry, {}, stop);
  if (!listed.ok() && listed.code() != Code::cancelled) {
    report(directory.path, std::move(listed).status().with_frame("error reading directory"));
  }
}

void TreeWalker::work(Shared& shared) {
  const std::stop_token stop = stop_.get_token();
  std::unique_lock lock(shared.mutex);
  for (;;) {
    const bool go = shared.changed.wait(
        lock, stop, [&] { return !shared.stack.empty() || shared.root_is_next() || shared.busy == 0; });
    if (!go || stop.stop_requested() || (shared.stack.empty() && !shared.root_is_next())) {
      return;
    }
    ++shared.busy;
    if (shared.root_is_next()) {
      const Root& root = shared.roots[shared.next_root++];
      shared.root_busy = true;
      lock.unlock();
      bool pushed = false;
      (void)visit(view_of(root.entry), root.path, &pushed, shared, stop);
      lock.lock();
      if (!pushed) {
        shared.root_busy = false;  // otherwise when it has been listed
      }
    } else {
      const Pending next = std::move(shared.stack.back());
      shared.stack.pop_back();
      lock.unlock();
      list(next, shared, stop);
      lock.lock();
      shared.root_busy = shared.root_busy && !next.root;
    }
    --shared.busy;
    shared.changed.notify_all();
  }
}

Status TreeWalker::walk(std::vector<Root> roots, std::stop_token stop) {
  // Requests of the caller reach the workers through our own source, which errors use as well.
  const std::stop_callback forward(stop, [this] { stop_.request_stop(); });
  Shared shared;
  shared.roots = std::move(roots);
  const unsigned count = options_.parallel != 0 ? options_.parallel : 4 * cpu_count();
  {
    std::vector<std::jthread> workers;
    workers.reserve(count);
    for (unsigned i = 0; i < count; ++i) {
      workers.emplace_back([&] { work(shared); });
    }
  }
  if (stop.stop_requested()) {
    return Status(Code::cancelled, "cancelled");
  }
  return result();
}

}  // namespace cairn::snapshot
