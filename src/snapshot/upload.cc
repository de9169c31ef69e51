#include "snapshot/upload.h"

#include <algorithm>

#include "base/log.h"
#include "base/task_group.h"
#include "snapshot/estimate.h"
#include "snapshot/upload_internal.h"

namespace cairn::snapshot {
namespace {

constexpr unsigned kWorkersMax = 128;
constexpr std::size_t kJobsPerWorker = 8;
constexpr Duration kTick = milliseconds(200);
// What an unset time becomes in Kopia's 64-bit nanoseconds; virtual directories carry it.
constexpr Timestamp kUnsetTime{-6795364578871345152};

Status root_error(const Status& status) { return Status(status.code(), std::string(root_cause(status))); }

}  // namespace

std::string_view root_cause(const Status& status) {
  const std::string_view message = status.message();
  const std::size_t at = message.rfind(": ");
  // "signal: killed" is one cause.
  if (at == std::string_view::npos || message.ends_with("signal: killed")) {
    return message.ends_with("signal: killed") ? std::string_view("signal: killed") : message;
  }
  return message.substr(at + 2);
}

Uploader::Uploader(repo::Repository& repository, const UploadSource& source, const PolicyTree& policies,
                   const std::vector<SnapshotManifest>& previous, const UploadOptions& options,
                   std::stop_token user_stop)
    : repository_(repository),
      source_(source),
      policies_(policies),
      previous_(previous),
      options_(options),
      user_stop_(std::move(user_stop)),
      progress_(options.progress != nullptr ? *options.progress : own_progress_),
      want_paths_(options.progress != nullptr),
      want_log_(log::enabled(log::Level::debug)),
      random_(std::random_device{}()) {}

Uploader::~Uploader() = default;

unsigned Uploader::worker_count() const {
  std::int64_t count = options_.parallel;
  if (count <= 0) {
    count = policies_.policy().upload.max_parallel_file_reads.value_or(0);
  }
  if (count <= 0) {
    count = cpu_count();
  }
  return static_cast<unsigned>(std::min<std::int64_t>(count, kWorkersMax));
}

void Uploader::cancel(const char* reason) {
  const char* none = nullptr;
  if (reason_.compare_exchange_strong(none, reason)) {
    files_stop_.request_stop();
  }
}

void Uploader::fail(Status status) {
  {
    const std::scoped_lock lock(mutex_);
    if (failure_.ok()) {
      failure_ = std::move(status);
    }
  }
  failed_.store(true);
  cancel("canceled");
}

std::string Uploader::incomplete_reason() const {
  const char* reason = reason_.load();
  return reason != nullptr ? reason : "";
}

Stats Uploader::take_stats() const {
  Stats s;
  s.total_size = stats_.total_size;
  s.excluded_total_size = stats_.excluded_bytes;
  s.file_count = stats_.file_count;
  s.cached_files = stats_.cached_files;
  s.non_cached_files = stats_.non_cached_files;
  s.dir_count = stats_.dir_count;
  s.excluded_file_count = stats_.excluded_files;
  s.excluded_dir_count = stats_.excluded_dirs;
  s.ignored_error_count = stats_.ignored_errors;
  s.error_count = stats_.errors;
  return s;
}

// Checkpoints, and the one counter that others keep.
void Uploader::background(std::stop_token stop) {
  std::mutex mutex;
  std::condition_variable_any tick;
  const std::int64_t interval =
      options_.checkpoint_interval.ns > 0 ? options_.checkpoint_interval.ns : kCheckpointIntervalMax.ns;
  std::int64_t due = monotonic_ns() + interval;
  std::unique_lock lock(mutex);
  while (!stop.stop_requested()) {
    const std::int64_t wait = std::clamp<std::int64_t>(due - monotonic_ns(), 0, kTick.ns);
    tick.wait_for(lock, stop, std::chrono::nanoseconds(wait), [] { return false; });
    if (stop.stop_requested()) {
      return;
    }
    progress_.counters.uploaded_bytes.store(repository_.contents().stats().bytes_uploaded - uploaded_before_);
    if (monotonic_ns() >= due) {
      checkpoint();
      due = monotonic_ns() + interval;
    }
  }
}

Result<SnapshotManifest> Uploader::run() {
  if (options_.checkpoint_interval > kCheckpointIntervalMax) {
    return error(Code::invalid_argument, "checkpoint interval cannot be greater than {}",
                 go_duration(kCheckpointIntervalMax));
  }
  start_time_ = repository_.clock().now();
  uploaded_before_ = repository_.contents().stats().bytes_uploaded;
  const std::stop_callback on_stop(user_stop_, [this] { cancel("canceled"); });
  const unsigned workers = worker_count();
  pool_ = std::make_unique<UploadPool>(workers, workers * kJobsPerWorker);
  executor_ = std::shared_ptr<object::ChunkExecutor>(std::shared_ptr<void>(), pool_.get());
  std::jthread estimator;
  if (options_.estimate && source_.stream_name.empty()) {
    estimator = std::jthread([this](std::stop_token stop) {
      const auto estimate = estimate_adaptively(source_.path, policies_, options_.adaptive_estimation_threshold, stop);
      if (estimate.ok()) {
        progress_.counters.estimated_files.store(estimate->files);
        progress_.counters.estimated_bytes.store(estimate->bytes);
      }
    });
  }
  std::jthread checkpoints([this](std::stop_token stop) { background(stop); });
  Result<DirEntry> root = upload_root();
  checkpoints.request_stop();
  checkpoints.join();
  pool_.reset();
  progress_.counters.uploaded_bytes.store(repository_.contents().stats().bytes_uploaded - uploaded_before_);
  TRY(root);
  SnapshotManifest manifest;
  manifest.source = source_.info;
  manifest.start_time = start_time_;
  manifest.end_time = repository_.clock().now();
  manifest.stats = take_stats();
  manifest.incomplete = incomplete_reason();
  manifest.root = std::move(*root);
  return manifest;
}

Result<DirEntry> Uploader::upload_root() {
  if (!source_.stream_name.empty()) {
    return upload_stream();
  }
  const auto info = sys::stat_path(source_.path);
  if (!info.ok()) {
    return root_error(info.status());
  }
  if (info->is_regular()) {
    return upload_root_file(source_.path, *info);
  }
  if (!info->is_directory()) {
    return error(Code::invalid_argument, "unsupported source: {}", source_.info.text());
  }
  const ActionsPolicy& actions = policies_.policy().actions;
  ActionRun action("snapshot-root", source_.path, actions.before_snapshot_root, actions.after_snapshot_root,
                   options_.enable_actions);
  if (Status status = action.before(files_stop()); !status.ok()) {
    return root_error(status);
  }
  Result<DirEntry> root = upload_root_directory(action.path());
  action.after({});
  return root;
}

Result<DirEntry> Uploader::upload_root_directory(const std::string& path) {
  auto root = std::make_shared<UploadDir>();
  root->read_path = path;
  root->policies = policies_;
  std::vector<object::ObjectId> previous;
  for (const SnapshotManifest& m : previous_) {
    if (m.root && m.root->type == EntryType::directory && !m.root->obj.empty() &&
        std::find(previous.begin(), previous.end(), m.root->obj) == previous.end()) {
      previous.push_back(m.root->obj);
    }
  }
  const Status status = enter(root, previous);
  // A before-folder action may have sent us elsewhere.
  root->name = sys::base_name(root->read_path);
  if (!status.ok()) {
    return root_error(status);
  }
  return upload_tree(std::move(root));
}

void Uploader::set_root(const std::shared_ptr<UploadDir>& root) {
  const std::scoped_lock lock(mutex_);
  root_ = root;
}

Result<DirEntry> Uploader::upload_tree(std::shared_ptr<UploadDir> root) {
  set_root(root);
  queue_files(root);
  walk(root);
  return wait_for_root();
}

Result<DirEntry> Uploader::wait_for_root() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return root_done_; });
  root_.reset();
  if (!failure_.ok()) {
    return failure_;
  }
  return std::move(*root_entry_);
}

// The file as the only item of a directory that is never written.
Result<DirEntry> Uploader::upload_root_file(const std::string& path, const sys::FileInfo& info) {
  UploadDir dir;
  dir.read_path = sys::parent_path(path);
  dir.policies = policies_;
  dir.names = sys::base_name(path);
  dir.names.push_back('\0');
  UploadItem item;
  item.name_size = static_cast<std::uint16_t>(dir.names.size() - 1);
  item.mode = info.mode;
  item.uid = info.uid;
  item.gid = info.gid;
  item.size = info.size;
  item.mtime = info.mtime;
  dir.items.push_back(item);
  auto dir_fd = sys::open_directory(dir.read_path);
  if (!dir_fd.ok()) {
    return root_error(dir_fd.status());
  }
  UploadScratch scratch;
  DirEntry entry;
  fill_entry(dir, item, entry);
  std::int64_t size = 0;
  const Status status = store_file(dir, *dir_fd, dir.items[0], scratch, entry.obj, size);
  if (!status.ok()) {
    return stopping() ? error(Code::cancelled, "canceled") : root_error(status);
  }
  stats_.total_size.fetch_add(size);
  progress_.counters.hashed_files.fetch_add(1);
  entry.summ.emplace();
  entry.summ->size = size;
  entry.summ->files = 1;
  entry.summ->max_time = entry.mtime;
  return entry;
}

Result<DirEntry> Uploader::upload_stream() {
  auto root = std::make_shared<UploadDir>();
  root->name = source_.path;
  root->mode = 0777;
  root->mtime = kUnsetTime;
  root->policies = policies_;
  root->start_ns = monotonic_ns();
  const auto* compressor = compress::find_by_name(metadata_compressor(policies_.policy()));
  root->metadata_compressor = compressor != nullptr ? compressor->id : compress::kNone;
  root->names = source_.stream_name;
  root->names.push_back('\0');
  UploadItem item;
  item.name_size = static_cast<std::uint16_t>(source_.stream_name.size());
  item.mode = 0777;
  item.mtime = repository_.clock().now();
  root->items.push_back(item);
  stats_.dir_count.fetch_add(1);
  stats_.non_cached_files.fetch_add(1);
  root->pending.fetch_add(1);
  set_root(root);
  pool_->submit([this, root](UploadScratch& scratch) {
    store_stream_item(*root, scratch);
    release(root, scratch);
  });
  walk(root);
  return wait_for_root();
}

Result<SnapshotManifest> upload(repo::Repository& repository, const UploadSource& source, const PolicyTree& policies,
                                const std::vector<SnapshotManifest>& previous, const UploadOptions& options,
                                std::stop_token stop) {
  Uploader uploader(repository, source, policies, previous, options, std::move(stop));
  return uploader.run();
}

}  // namespace cairn::snapshot
