// The workers' side: reading what changed and storing it.
#include <algorithm>

#include "base/log.h"
#include "snapshot/upload_internal.h"
#include "sys/attributes.h"

namespace cairn::snapshot {
namespace {

// Unit of reading; a smaller file is read in one piece and stored in one call.
constexpr std::size_t kReadSize = 1 << 20;

constexpr Duration kStreamPoll = milliseconds(200);

// The listing said so; what has been opened may be something else by now, and a device has no end.
Status check_regular(int fd, const std::string& path) {
  TRY_ASSIGN(const sys::FileInfo info, sys::stat_fd(fd));
  return info.is_regular() ? Status() : error(Code::unavailable, "unable to open file: {} was replaced", path);
}

Status read_error(const std::string& what, const Status& status) {
  return error(status.code(), "unable to copy file: read {}: {}", what, root_cause(status));
}

}  // namespace

object::WriterOptions Uploader::writer_options(const Policy& policy, std::string_view name, std::int64_t size) const {
  object::WriterOptions options;
  if (const auto* c = compress::find_by_name(compressor_for_file(policy.compression, name, size)); c != nullptr) {
    options.compressor = c->id;
  }
  if (const auto* c = compress::find_by_name(metadata_compressor(policy)); c != nullptr) {
    options.metadata_compressor = c->id;
  }
  options.splitter = policy.splitter_algorithm;
  return options;
}

void Uploader::count_read(std::int64_t bytes) {
  progress_.counters.hashed_bytes.fetch_add(bytes, std::memory_order_relaxed);
  const std::int64_t total = bytes_read_.fetch_add(bytes, std::memory_order_relaxed) + bytes;
  if (options_.upload_limit_bytes > 0 && total > options_.upload_limit_bytes) {
    cancel("limit reached");
  }
}

void Uploader::store_range(const std::shared_ptr<UploadDir>& dir, const sys::UniqueFd& fd, std::uint32_t begin,
                           std::uint32_t end, UploadScratch& scratch) {
  for (std::uint32_t i = begin; i < end && !stopping(); ++i) {
    UploadItem& item = dir->items[i];
    if (item.load_state() == ItemState::pending) {
      store_item(*dir, fd, item, scratch);
    }
  }
}

void Uploader::store_item(UploadDir& dir, const sys::UniqueFd& fd, UploadItem& item, UploadScratch& scratch) {
  const std::int64_t start_ns = want_log_ ? monotonic_ns() : 0;
  object::ObjectId id;
  std::int64_t size = item.size;
  Status status;
  if (item.type == EntryType::file) {
    stats_.non_cached_files.fetch_add(1, std::memory_order_relaxed);
    progress_.counters.hashing_files.fetch_add(1, std::memory_order_relaxed);
    status = store_file(dir, fd, item, scratch, id, size);
    progress_.counters.hashing_files.fetch_sub(1, std::memory_order_relaxed);
  } else {
    status = store_link(dir, fd, item, id, size);
  }
  complete_item(dir, item, std::move(status), id, size, start_ns);
}

// The one file of a virtual directory.
void Uploader::store_stream_item(UploadDir& dir, UploadScratch& scratch) {
  const std::int64_t start_ns = want_log_ ? monotonic_ns() : 0;
  UploadItem& item = dir.items[0];
  object::ObjectId id;
  std::int64_t size = 0;
  scratch.data.resize(kReadSize);
  progress_.counters.hashing_files.fetch_add(1, std::memory_order_relaxed);
  Status status =
      store_stream(dir, {.item = 0, .fd = source_.stream_fd, .path = source_.stream_name, .seekable = false},
                   writer_options(dir.policies.policy(), dir.item_name(item), 0), scratch.data, id, size);
  progress_.counters.hashing_files.fetch_sub(1, std::memory_order_relaxed);
  if (status.ok()) {
    stats_.file_count.fetch_add(1, std::memory_order_relaxed);
  }
  complete_item(dir, item, std::move(status), id, size, start_ns);
}

void Uploader::complete_item(UploadDir& dir, UploadItem& item, Status status, const object::ObjectId& id,
                             std::int64_t size, std::int64_t start_ns) {
  const std::string_view name = dir.item_name(item);
  if (!status.ok()) {
    // What a cancelled upload leaves half done is no error of the file.
    if (stopping() && status.is(Code::cancelled)) {
      return;
    }
    item.store_state(ItemState::dropped);
    record_error(dir, dir.child_path(name), status.message(),
                 dir.policies.policy().error_handling.ignore_file_errors_or_default());
    return;
  }
  item.size = size;
  item.obj = id;
  item.store_state(ItemState::done);
  const bool is_file = item.type == EntryType::file;
  if (is_file) {
    stats_.total_size.fetch_add(size, std::memory_order_relaxed);
    progress_.counters.hashed_files.fetch_add(1, std::memory_order_relaxed);
  }
  if (want_log_) {
    const LoggingPolicy& logging = dir.policies.policy().logging;
    log_entry(dir, name, is_file ? "snapshotted file" : "snapshotted symlink",
              options_.log_entry_detail.value_or(logging.entry_snapshotted.value_or(0)), size, start_ns);
  }
}

Status Uploader::store_link(UploadDir& dir, const sys::UniqueFd& fd, const UploadItem& item, object::ObjectId& id,
                            std::int64_t& size) {
  const auto target = sys::read_link_at(fd.get(), dir.c_name(item.name_offset));
  if (!target.ok()) {
    return error(target.code(), "unable to read symlink: readlink {}: {}", dir.child_read_path(dir.item_name(item)),
                 root_cause(target.status()));
  }
  object::WriterOptions options;
  const PolicyTree node = dir.policies.child(dir.item_name(item));
  if (const auto* c = compress::find_by_name(metadata_compressor(node.policy())); c != nullptr) {
    options.metadata_compressor = c->id;
  }
  TRY_ASSIGN(id, repository_.objects().write(as_bytes(*target), options, files_stop()));
  size = static_cast<std::int64_t>(target->size());
  return {};
}

Status Uploader::store_file(UploadDir& dir, const sys::UniqueFd& dir_fd, UploadItem& item, UploadScratch& scratch,
                            object::ObjectId& id, std::int64_t& size) {
  const std::string_view name = dir.item_name(item);
  const auto opened = sys::open_for_reading_at(dir_fd.get(), dir.c_name(item.name_offset));
  if (!opened.ok()) {
    return error(opened.code(), "unable to open file: unable to open local file: open {}: {}",
                 dir.child_read_path(name), root_cause(opened.status()));
  }
  const PolicyTree node = dir.policies.child(name);
  const object::WriterOptions options = writer_options(node.policy(), name, item.size);
  const Stream whole{.item = static_cast<std::uint32_t>(&item - dir.items.data()),
                     .fd = opened->get(),
                     .path = dir.child_read_path(name)};
  const std::int64_t part_size = node.policy().upload.parallel_upload_above_size.value_or(-1);
  if (item.size >= static_cast<std::int64_t>(kReadSize)) {
    TRY(check_regular(whole.fd, whole.path));
  }
  if (part_size > 0 && item.size > part_size) {
    return store_parts(dir, whole, part_size, options, scratch, id, size);
  }
  Buffer& data = scratch.data;
  data.resize(kReadSize);
  std::size_t got = data.size();
  if (item.size < static_cast<std::int64_t>(kReadSize)) {
    // One byte more than there should be: a file that has grown shows itself without a second read.
    const auto expected = static_cast<std::size_t>(std::max<std::int64_t>(item.size, 0));
    auto n = sys::pread_some(whole.fd, data.mut().subspan(0, expected + 1), 0);
    got = n.ok() ? *n : 0;
    if (n.ok() && got != expected) {
      TRY(check_regular(whole.fd, whole.path));
      n = read_piece(whole, data.mut().subspan(got), static_cast<std::int64_t>(got));
      got += n.ok() ? *n : 0;
    }
    if (!n.ok()) {
      return read_error(whole.path, n.status());
    }
  }
  if (got < data.size()) {
    TRY_ASSIGN(id, repository_.objects().write(data.view().subspan(0, got), options, files_stop()));
    size = static_cast<std::int64_t>(got);
    count_read(size);
  } else {
    TRY(store_stream(dir, whole, options, data, id, size));
  }
  stats_.file_count.fetch_add(1, std::memory_order_relaxed);
  return {};
}

// Until `out` is full or the file ends.
Result<std::size_t> Uploader::read_piece(const Stream& stream, MutByteView out, std::int64_t offset) const {
  std::size_t size = 0;
  while (size < out.size()) {
    const MutByteView rest = out.subspan(size);
    if (!stream.seekable) {
      // A pipe may be silent for ever; cancelling works all the same.
      TRY_ASSIGN(const bool ready, sys::wait_readable(stream.fd, kStreamPoll));
      if (stopping()) {
        return error(Code::cancelled, "canceled");
      }
      if (!ready) {
        continue;
      }
    }
    TRY_ASSIGN(const std::size_t n, stream.seekable
                                        ? sys::pread_some(stream.fd, rest, offset + static_cast<std::int64_t>(size))
                                        : sys::read_some(stream.fd, rest));
    if (n == 0) {
      break;
    }
    size += n;
  }
  return size;
}

Status Uploader::store_stream(UploadDir& dir, const Stream& stream, object::WriterOptions writer_options,
                              Buffer& buffer, object::ObjectId& id, std::int64_t& size) {
  writer_options.executor = executor_;
  const auto writer = repository_.objects().new_writer(std::move(writer_options));
  const UploadItem& item = dir.items[stream.item];
  const auto open_file = std::make_shared<UploadOpenFile>();
  open_file->writer = writer.get();
  open_file->item = stream.item;
  open_file->stat_size = item.size;
  open_file->part = stream.part;
  {
    const std::scoped_lock lock(dir.mutex);
    dir.open_files.push_back(open_file);
  }
  if (want_paths_) {
    progress_.set_current_path(dir.child_path(dir.item_name(item)));
  }
  if (stream.seekable) {
    sys::advise_sequential(stream.fd);
  }
  Status status = copy_stream(stream, *writer, *open_file, buffer, id, size);
  {
    const std::scoped_lock lock(open_file->mutex);
    open_file->writer = nullptr;
  }
  const std::scoped_lock lock(dir.mutex);
  std::erase(dir.open_files, open_file);
  return status;
}

Status Uploader::copy_stream(const Stream& stream, object::ObjectWriter& writer, UploadOpenFile& open_file,
                             Buffer& buffer, object::ObjectId& id, std::int64_t& size) {
  size = 0;
  while (stream.length < 0 || size < stream.length) {
    if (stopping()) {
      return error(Code::cancelled, "canceled");
    }
    std::size_t want = buffer.size();
    if (stream.length >= 0) {
      want = static_cast<std::size_t>(std::min<std::int64_t>(static_cast<std::int64_t>(want), stream.length - size));
    }
    const auto n = read_piece(stream, buffer.mut().subspan(0, want), stream.offset + size);
    if (!n.ok()) {
      return n.code() == Code::cancelled ? n.status() : read_error(stream.path, n.status());
    }
    if (*n > 0) {
      const std::scoped_lock lock(open_file.mutex);
      TRY(writer.write(buffer.view().subspan(0, *n), files_stop()));
    }
    size += static_cast<std::int64_t>(*n);
    count_read(static_cast<std::int64_t>(*n));
    if (*n < want) {
      break;
    }
  }
  const std::scoped_lock lock(open_file.mutex);
  TRY_ASSIGN(id, writer.result(files_stop()));
  return {};
}

// §8.4: size / part_size parts of exactly part_size bytes, and one for the rest, to the end of the file.
Status Uploader::store_parts(UploadDir& dir, const Stream& whole, std::int64_t part_size,
                             const object::WriterOptions& writer, UploadScratch& scratch, object::ObjectId& id,
                             std::int64_t& size) {
  const auto count = static_cast<std::size_t>(dir.items[whole.item].size / part_size) + 1;
  std::vector<object::ObjectId> ids(count);
  std::vector<std::int64_t> sizes(count);
  std::mutex mutex;
  Status first_error;
  std::atomic<bool> broken{false};
  const auto store_part = [&](std::size_t i, UploadScratch& s) {
    if (broken.load()) {
      return;
    }
    s.data.resize(kReadSize);
    Stream part = whole;
    part.part = true;
    part.offset = static_cast<std::int64_t>(i) * part_size;
    part.length = i + 1 < count ? part_size : -1;
    Status status = store_stream(dir, part, writer, s.data, ids[i], sizes[i]);
    if (status.ok()) {
      stats_.file_count.fetch_add(1, std::memory_order_relaxed);
      return;
    }
    const std::scoped_lock lock(mutex);
    if (!broken.exchange(true)) {
      first_error = std::move(status);
    }
  };
  pool_->run_parts(count, store_part, scratch);
  TRY(std::move(first_error));
  size = 0;
  for (const std::int64_t s : sizes) {
    size += s;
  }
  TRY_ASSIGN(id, repository_.objects().concatenate(ids, writer.metadata_compressor, files_stop()));
  return {};
}

}  // namespace cairn::snapshot
