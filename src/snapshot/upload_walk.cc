// The walker: lists directories depth first, decides what is to be stored, and hands it to the workers.
#include <fcntl.h>

#include <algorithm>

#include "base/log.h"
#include "snapshot/upload_internal.h"
#include "sys/attributes.h"

namespace cairn::snapshot {
namespace {

constexpr std::string_view kPlaceholderSuffix = ".kopia-entry";
constexpr std::size_t kBatchFilesMax = 256;
constexpr std::int64_t kBatchBytesMax = 4 << 20;
// Ancestors further up than this give their descriptor back while a deep directory is walked.
constexpr std::size_t kOpenAncestorsMax = 64;
constexpr std::size_t kRulesFileSizeMax = 16u << 20;
constexpr std::size_t kPlaceholderSizeMax = 1u << 20;
constexpr std::uint32_t kSymlinkMode = 0777;
constexpr std::size_t kListingKeptMax = 65536;  // entries

Result<Buffer> read_small_file_at(int dirfd, const char* name, std::size_t size_max) {
  TRY_ASSIGN(const sys::UniqueFd fd, sys::open_file_at(dirfd, name, O_RDONLY | O_NONBLOCK));
  TRY_ASSIGN(const sys::FileInfo info, sys::stat_fd(fd.get()));
  if (!info.is_regular()) {
    return error(Code::not_found, "not a regular file");
  }
  Buffer data(std::min<std::size_t>(static_cast<std::size_t>(std::max<std::int64_t>(info.size, 0)), size_max));
  std::size_t size = 0;
  while (size < data.size()) {
    TRY_ASSIGN(const std::size_t n,
               sys::pread_some(fd.get(), data.mut().subspan(size), static_cast<std::int64_t>(size)));
    if (n == 0) {
      break;
    }
    size += n;
  }
  data.resize(size);
  return data;
}

}  // namespace

void Uploader::walk(const std::shared_ptr<UploadDir>& root) {
  std::vector<Frame> stack;
  stack.push_back({root, 0});
  while (!stack.empty()) {
    Frame& top = stack.back();
    if (!stopping() && top.next < top.dir->subdirs.size()) {
      enter_subdir(stack);
      continue;
    }
    auto dir = std::move(top.dir);
    stack.pop_back();
    dir->fd.reset();
    if (dir->pending.fetch_sub(1) == 1) {
      // Nothing else was waited for. Encoding and storing is the workers' business.
      dir->pending.store(1);
      pool_->submit([this, d = std::move(dir)](UploadScratch& scratch) { release(d, scratch); });
    }
  }
}

void Uploader::enter_subdir(std::vector<Frame>& stack) {
  const std::shared_ptr<UploadDir> dir = stack.back().dir;
  const auto index = static_cast<std::uint32_t>(stack.back().next++);
  UploadSubdir& sub = dir->subdirs[index];
  if (sub.state != ItemState::pending) {
    return;
  }
  auto child = std::make_shared<UploadDir>();
  child->parent = dir;
  child->index_in_parent = index;
  child->name = dir->subdir_name(sub);
  child->path = dir->child_path(child->name);
  child->read_path = dir->child_read_path(child->name);
  child->mode = sub.mode;
  child->uid = sub.uid;
  child->gid = sub.gid;
  child->mtime = sub.mtime;
  child->dev = sub.dev;
  child->ino = sub.ino;
  child->policies = dir->policies.child(child->name);
  const std::vector<object::ObjectId> previous = std::move(sub.previous);
  Status status = dir->fd ? Status() : reopen(stack);
  if (status.ok()) {
    status = enter(child, previous);
  }
  if (!status.ok()) {
    if (!status.is(Code::cancelled) || !stopping()) {
      record_error(*dir, child->path, status.message(),
                   child->policies.policy().error_handling.ignore_directory_errors_or_default());
    }
    const std::scoped_lock lock(dir->mutex);
    sub.state = ItemState::dropped;
    return;
  }
  dir->pending.fetch_add(1);
  {
    const std::scoped_lock lock(dir->mutex);
    dir->children.push_back(child);
  }
  queue_files(child);
  stack.push_back({std::move(child), 0});
  if (stack.size() > kOpenAncestorsMax + 1) {
    stack[stack.size() - kOpenAncestorsMax - 2].dir->fd.reset();
  }
}

// The top of the stack gave its descriptor back. Goes down again from the nearest open ancestor, by name, and makes
// sure that it is still the same directory.
Status Uploader::reopen(std::vector<Frame>& stack) {
  std::size_t from = stack.size();
  while (from > 0 && !stack[from - 1].dir->fd) {
    --from;
  }
  std::shared_ptr<sys::UniqueFd> fd = from > 0 ? stack[from - 1].dir->fd : nullptr;
  for (std::size_t i = from; i < stack.size(); ++i) {
    UploadDir& dir = *stack[i].dir;
    const bool by_name = fd && !(dir.folder_action && dir.folder_action->redirected());
    auto opened = by_name ? sys::open_directory_at(fd->get(), dir.name.c_str()) : sys::open_directory(dir.read_path);
    if (!opened.ok()) {
      return error(opened.code(), "unable to read directory: open {}: {}", dir.read_path, root_cause(opened.status()));
    }
    fd = std::make_shared<sys::UniqueFd>(std::move(*opened));
    TRY_ASSIGN(const sys::FileInfo info, sys::stat_fd(fd->get()));
    if (info.dev != dir.dev || info.ino != dir.ino) {
      return error(Code::unavailable, "unable to read directory: {} was replaced while it was read", dir.read_path);
    }
  }
  stack.back().dir->fd = std::move(fd);
  return {};
}

Status Uploader::open_dir(UploadDir& dir) {
  const bool by_name = dir.parent && dir.parent->fd && !(dir.folder_action && dir.folder_action->redirected());
  auto opened =
      by_name ? sys::open_directory_at(dir.parent->fd->get(), dir.name.c_str()) : sys::open_directory(dir.read_path);
  if (!opened.ok()) {
    return error(opened.code(), "cannot create iterator: unable to read directory: open {}: {}", dir.read_path,
                 root_cause(opened.status()));
  }
  dir.fd = std::make_shared<sys::UniqueFd>(std::move(*opened));
  TRY_ASSIGN(const sys::FileInfo info, sys::stat_fd(dir.fd->get()));
  if (!by_name) {
    dir.mode = info.mode;
    dir.uid = info.uid;
    dir.gid = info.gid;
    dir.mtime = info.mtime;
  }
  dir.dev = info.dev;
  dir.ino = info.ino;
  return {};
}

Status Uploader::list(UploadDir& dir) {
  listing_.clear();
  Status status = sys::read_directory(dir.fd->get(), true, listing_, files_stop());
  if (!status.ok()) {
    const std::string cause(root_cause(status));
    return status.is(Code::cancelled)
               ? std::move(status)
               : error(status.code(), "cannot create iterator: unable to read directory: readdir {}: {}", dir.read_path,
                       cause);
  }
  listing_.sort_by_name();
  return {};
}

Status Uploader::enter(const std::shared_ptr<UploadDir>& shared, std::span<const object::ObjectId> previous) {
  UploadDir& dir = *shared;
  dir.start_ns = monotonic_ns();
  stats_.dir_count.fetch_add(1, std::memory_order_relaxed);
  progress_.counters.directories.fetch_add(1, std::memory_order_relaxed);
  if (want_paths_) {
    progress_.set_current_path(dir.path);
  }
  const auto* compressor = compress::find_by_name(metadata_compressor(dir.policies.policy()));
  dir.metadata_compressor = compressor != nullptr ? compressor->id : compress::kNone;
  if (const Policy* defined = dir.policies.defined_policy();
      defined != nullptr && (defined->actions.before_folder || defined->actions.after_folder)) {
    dir.folder_action = std::make_unique<ActionRun>("folder", dir.read_path, defined->actions.before_folder,
                                                    defined->actions.after_folder, options_.enable_actions);
    TRY(dir.folder_action->before(files_stop()));
    dir.read_path = dir.folder_action->path();
  }
  Status status = open_dir(dir);
  if (status.ok()) {
    status = list(dir);
  }
  if (status.ok()) {
    status = enter_rules(dir);
  }
  if (status.ok()) {
    status = classify(dir);
  }
  if (!status.ok()) {
    if (dir.folder_action) {
      dir.folder_action->after(files_stop());
    }
    return status;
  }
  if (listing_.size() > kListingKeptMax) {
    listing_ = sys::DirectoryListing();
  }
  match_previous(dir, previous);
  return {};
}

Result<std::optional<std::string>> Uploader::read_rules_file(UploadDir& dir, const std::string& name) {
  const auto entries = listing_.entries();
  const auto it = std::lower_bound(entries.begin(), entries.end(), std::string_view(name),
                                   [&](const auto& e, std::string_view n) { return listing_.name(e) < n; });
  if (it == entries.end() || listing_.name(*it) != name ||
      (it->type != sys::FileType::regular && it->type != sys::FileType::symlink)) {
    return std::optional<std::string>();
  }
  auto data = read_small_file_at(dir.fd->get(), name.c_str(), kRulesFileSizeMax);
  if (!data.ok()) {
    return error(data.code(), "unable to open ignore file {}: {}", dir.child_read_path(name),
                 root_cause(data.status()));
  }
  return std::optional<std::string>(data->text());
}

Status Uploader::enter_rules(UploadDir& dir) {
  const std::string directory = dir.path.empty() ? std::string() : '/' + dir.path;
  TRY_ASSIGN(dir.ignore,
             IgnoreContext::enter(dir.parent ? dir.parent->ignore : nullptr, directory, dir.policies.defined_policy(),
                                  [&](const std::string& name) { return read_rules_file(dir, name); }),
             "cannot create iterator");
  return {};
}

Result<bool> Uploader::is_cache_dir(UploadDir& dir) {
  if (!dir.policies.policy().files.ignore_cache_dirs_or_default()) {
    return false;
  }
  const auto entries = listing_.entries();
  const auto it = std::lower_bound(entries.begin(), entries.end(), kCacheDirTagName,
                                   [&](const auto& e, std::string_view n) { return listing_.name(e) < n; });
  if (it == entries.end() || listing_.name(*it) != kCacheDirTagName || it->type != sys::FileType::regular ||
      it->size < static_cast<std::int64_t>(kCacheDirTagSize)) {
    return false;
  }
  const auto head = read_small_file_at(dir.fd->get(), listing_.c_name(*it), kCacheDirTagSize);
  return head.ok() && is_cache_dir_tag(head->text());
}

void Uploader::exclude(UploadDir& dir, const sys::DirectoryEntry& e) {
  const LoggingPolicy& logging = dir.policies.policy().logging;
  if (e.type == sys::FileType::directory) {
    stats_.excluded_dirs.fetch_add(1, std::memory_order_relaxed);
    progress_.counters.excluded_dirs.fetch_add(1, std::memory_order_relaxed);
    log_entry(dir, listing_.name(e), "ignored directory",
              options_.log_dir_detail.value_or(logging.dir_ignored.value_or(0)), 0, 0);
    return;
  }
  stats_.excluded_files.fetch_add(1, std::memory_order_relaxed);
  stats_.excluded_bytes.fetch_add(e.size, std::memory_order_relaxed);
  progress_.counters.excluded_files.fetch_add(1, std::memory_order_relaxed);
  progress_.counters.excluded_bytes.fetch_add(e.size, std::memory_order_relaxed);
  log_entry(dir, listing_.name(e), "ignored", options_.log_entry_detail.value_or(logging.entry_ignored.value_or(0)),
            e.size, 0);
}

Status Uploader::classify(UploadDir& dir) {
  TRY_ASSIGN(const bool cache_dir, is_cache_dir(dir));
  if (cache_dir) {
    stats_.excluded_dirs.fetch_add(1, std::memory_order_relaxed);
    progress_.counters.excluded_dirs.fetch_add(1, std::memory_order_relaxed);
    return {};
  }
  unsorted_ = false;
  std::size_t names_size = 0, subdirs = 0;
  for (const sys::DirectoryEntry& e : listing_.entries()) {
    names_size += e.name_size + 1;
    subdirs += e.type == sys::FileType::directory ? 1 : 0;
  }
  dir.names.reserve(names_size);
  dir.subdirs.reserve(subdirs);
  dir.items.reserve(listing_.size() - subdirs);
  rule_path_ = dir.path.empty() ? "/" : '/' + dir.path + '/';
  const std::size_t prefix = rule_path_.size();
  for (const sys::DirectoryEntry& e : listing_.entries()) {
    rule_path_.resize(prefix);
    rule_path_ += listing_.name(e);
    TRY(classify_entry(dir, e, rule_path_));
  }
  return unsorted_ ? check_duplicates(dir) : Status();
}

Status Uploader::classify_entry(UploadDir& dir, const sys::DirectoryEntry& e, std::string& rule_path) {
  const std::string_view name = listing_.name(e);
  const bool is_directory = e.type == sys::FileType::directory;
  if (e.error != 0) {
    const Status cause = errno_status(e.error, "lstat " + dir.child_read_path(name));
    if (!cause.is(Code::permission_denied)) {
      return std::move(Status(cause)).with_frame("cannot create iterator: unable to read directory");
    }
    if (!dir.ignore->ignored(rule_path, is_directory)) {
      const ErrorHandlingPolicy& handling = dir.policies.child(name).policy().error_handling;
      record_error(
          dir, dir.child_path(name), cause.message(),
          is_directory ? handling.ignore_directory_errors_or_default() : handling.ignore_file_errors_or_default());
    }
    return {};
  }
  const Inclusion inclusion = dir.ignore->check(
      {.path = rule_path, .is_directory = is_directory, .size = e.size, .device = e.dev, .directory_device = dir.dev});
  if (inclusion != Inclusion::included) {
    if (inclusion == Inclusion::ignored) {
      exclude(dir, e);
    }
    return {};
  }
  const bool storable = is_directory || e.type == sys::FileType::regular || e.type == sys::FileType::symlink;
  if (!storable) {
    if (!dir.policies.child(name).policy().error_handling.ignore_unknown_types_or_default()) {
      record_error(dir, dir.child_path(name), "unknown or unsupported entry type", false);
    }
    return {};
  }
  if (name.size() > kPlaceholderSuffix.size() && name.ends_with(kPlaceholderSuffix) &&
      e.type != sys::FileType::symlink) {
    return add_placeholder(dir, e);
  }
  const auto offset = static_cast<std::uint32_t>(dir.names.size());
  dir.names.append(name).push_back('\0');
  if (is_directory) {
    UploadSubdir sub;
    sub.name_offset = offset;
    sub.name_size = e.name_size;
    sub.mode = e.mode;
    sub.uid = e.uid;
    sub.gid = e.gid;
    sub.mtime = e.mtime;
    sub.dev = e.dev;
    sub.ino = e.ino;
    dir.subdirs.push_back(std::move(sub));
    return {};
  }
  UploadItem item;
  item.name_offset = offset;
  item.name_size = e.name_size;
  item.type = e.type == sys::FileType::symlink ? EntryType::symlink : EntryType::file;
  item.mode = item.type == EntryType::symlink ? kSymlinkMode : e.mode;
  item.uid = e.uid;
  item.gid = e.gid;
  item.size = e.size;
  item.mtime = e.mtime;
  dir.items.push_back(item);
  return {};
}

// NAME.kopia-entry stands for an entry that was not restored: it holds the entry, which goes into the snapshot as it
// is.
Status Uploader::add_placeholder(UploadDir& dir, const sys::DirectoryEntry& e) {
  const std::string name(listing_.name(e));
  const bool is_directory = e.type == sys::FileType::directory;
  const auto load = [&]() -> Result<DirEntry> {
    const std::string file = is_directory ? sys::join_path(name, kPlaceholderSuffix) : name;
    TRY_ASSIGN(const Buffer text, read_small_file_at(dir.fd->get(), file.c_str(), kPlaceholderSizeMax));
    TRY_ASSIGN(const Json json, Json::parse(text.text(), true));
    TRY_ASSIGN(DirEntry entry, DirEntry::from_json(json));
    if (!safe_entry_name(entry.name) || entry.obj.empty() || entry.type == EntryType::unknown ||
        (entry.type == EntryType::directory) != is_directory) {
      return error(Code::corrupt, "malformed placeholder");
    }
    const Status exists = repository_.objects().verify(
        entry.obj, [](const ContentId&) { return Status(); }, files_stop());
    if (!exists.ok()) {
      return error(exists.code(), "{} contains foreign object.ID", dir.child_read_path(name));
    }
    return entry;
  };
  Result<DirEntry> loaded = load();
  if (!loaded.ok()) {
    if (is_directory) {
      // Left out, it would look deleted: a placeholder stands for a whole tree.
      Status status = std::move(loaded).status().with_frame("invalid placeholder for \"" + dir.child_path(name) + '"');
      fail(status);
      return status;
    }
    record_error(dir, dir.child_path(name), loaded.status().message(),
                 dir.policies.policy().error_handling.ignore_file_errors_or_default());
    return {};
  }
  unsorted_ = true;
  const auto offset = static_cast<std::uint32_t>(dir.names.size());
  const auto size = static_cast<std::uint16_t>(loaded->name.size());
  dir.names.append(loaded->name).push_back('\0');
  if (is_directory) {
    UploadSubdir sub;
    sub.name_offset = offset;
    sub.name_size = size;
    sub.state = ItemState::done;
    sub.encoded_offset = dir.encoded.size();
    loaded->append_json(dir.encoded);
    sub.encoded_size = static_cast<std::uint32_t>(dir.encoded.size() - sub.encoded_offset);
    dir.summary.add(*loaded);
    dir.subdirs.push_back(std::move(sub));
    return {};
  }
  UploadItem item;
  item.name_offset = offset;
  item.name_size = size;
  item.type = loaded->type;
  item.state = ItemState::done;
  item.mode = loaded->mode;
  item.uid = loaded->uid;
  item.gid = loaded->gid;
  item.size = loaded->size;
  item.mtime = loaded->mtime;
  item.obj = loaded->obj;
  dir.items.push_back(item);
  return {};
}

Status Uploader::check_duplicates(UploadDir& dir) {
  const auto by_name = [&](const auto& a, const auto& b) {
    return std::string_view(dir.names.data() + a.name_offset, a.name_size) <
           std::string_view(dir.names.data() + b.name_offset, b.name_size);
  };
  std::sort(dir.items.begin(), dir.items.end(), by_name);
  std::sort(dir.subdirs.begin(), dir.subdirs.end(), by_name);
  std::vector<std::string_view> all;
  all.reserve(dir.items.size() + dir.subdirs.size());
  for (const UploadItem& item : dir.items) {
    all.push_back(dir.item_name(item));
  }
  for (const UploadSubdir& sub : dir.subdirs) {
    all.push_back(dir.subdir_name(sub));
  }
  std::sort(all.begin(), all.end());
  if (const auto it = std::adjacent_find(all.begin(), all.end()); it != all.end()) {
    return error(Code::failed_precondition, "{} has both a placeholder and a real entry", dir.child_read_path(*it));
  }
  return {};
}

void Uploader::queue_files(const std::shared_ptr<UploadDir>& dir) {
  const auto count = static_cast<std::uint32_t>(dir->items.size());
  std::uint32_t begin = 0;
  std::size_t files = 0;
  std::int64_t bytes = 0;
  for (std::uint32_t i = 0; i < count && !stopping(); ++i) {
    const UploadItem& item = dir->items[i];
    // The state of what was queued already belongs to the workers; this one was not.
    if (item.state != ItemState::pending) {
      continue;
    }
    if (files > 0 && (files >= kBatchFilesMax || bytes + item.size > kBatchBytesMax)) {
      queue_job(dir, begin, i);
      files = 0;
      bytes = 0;
    }
    if (files == 0) {
      begin = i;
    }
    ++files;
    bytes += item.size;
  }
  if (files > 0 && !stopping()) {
    queue_job(dir, begin, count);
  }
}

void Uploader::queue_job(const std::shared_ptr<UploadDir>& dir, std::uint32_t begin, std::uint32_t end) {
  dir->pending.fetch_add(1);
  pool_->submit([this, dir, fd = dir->fd, begin, end](UploadScratch& scratch) {
    store_range(dir, *fd, begin, end, scratch);
    release(dir, scratch);
  });
}

}  // namespace cairn::snapshot
