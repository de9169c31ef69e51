// Completion of directories: their objects, the parent's entry, errors of entries.
#include "base/log.h"
#include "snapshot/upload_internal.h"

namespace cairn::snapshot {
namespace {

// Directories up to this size are stored in one call.
constexpr std::size_t kPieceSize = 256 << 10;

}  // namespace

void fill_entry(const UploadDir& dir, const UploadItem& item, DirEntry& out) {
  out.name.assign(dir.item_name(item));
  out.type = item.type;
  out.mode = item.mode;
  out.size = item.size;
  out.mtime = item.mtime;
  out.uid = item.uid;
  out.gid = item.gid;
  out.obj = item.obj;
  out.summ.reset();
}

void Uploader::release(std::shared_ptr<UploadDir> dir, UploadScratch& scratch) {
  while (dir && dir->pending.fetch_sub(1) == 1) {
    finish(*dir, scratch);
    dir = dir->parent;
  }
}

// Encodes into `scratch.text` and stores in pieces: a directory of a million entries is never in memory as text.
Result<object::ObjectId> Uploader::write_directory(UploadDir& dir, UploadScratch& scratch, Summary& summary) {
  object::WriterOptions options;
  options.prefix = 'k';
  options.compressor = options.metadata_compressor = dir.metadata_compressor;
  std::unique_ptr<object::ObjectWriter> writer;
  const std::stop_token never;
  std::string& text = scratch.text;
  text.clear();
  const auto flush = [&]() -> Status {
    if (text.size() < kPieceSize) {
      return {};
    }
    if (!writer) {
      writer = repository_.objects().new_writer(options);
    }
    TRY(writer->write(as_bytes(text), never));
    text.clear();
    return {};
  };
  SummaryBuilder builder;
  {
    const std::scoped_lock lock(dir.mutex);
    builder = dir.summary;
  }
  DirectoryEncoder encoder(text);
  for (const UploadSubdir& sub : dir.subdirs) {
    if (sub.state == ItemState::done) {
      encoder.append_encoded(std::string_view(dir.encoded).substr(sub.encoded_offset, sub.encoded_size));
      TRY(flush());
    }
  }
  for (const UploadItem& item : dir.items) {
    if (item.load_state() == ItemState::done) {
      fill_entry(dir, item, scratch.entry);
      encoder.append(scratch.entry);
      builder.add(scratch.entry);
      TRY(flush());
    }
  }
  summary = builder.finish(dir.mtime, incomplete_reason());
  encoder.finish(summary);
  if (!writer) {
    return repository_.objects().write(as_bytes(text), options, never);
  }
  TRY(writer->write(as_bytes(text), never));
  return writer->result(never);
}

void Uploader::finish(UploadDir& dir, UploadScratch& scratch) {
  if (!failed()) {
    Summary summary;
    auto id = write_directory(dir, scratch, summary);
    if (!id.ok()) {
      fail(std::move(id).status().with_frame("unable to write directory \"" + dir.path + '"'));
    } else {
      log_directory(dir, summary, *id);
      DirEntry entry;
      entry.name = dir.name;
      entry.type = EntryType::directory;
      entry.mode = dir.mode;
      entry.mtime = dir.mtime;
      entry.uid = dir.uid;
      entry.gid = dir.gid;
      entry.obj = *id;
      entry.summ = std::move(summary);
      if (dir.parent) {
        report_to_parent(dir, std::move(entry));
      } else {
        const std::scoped_lock lock(mutex_);
        root_entry_ = std::move(entry);
      }
    }
  }
  if (dir.folder_action) {
    dir.folder_action->after({});
  }
  if (dir.parent) {
    const std::scoped_lock lock(dir.parent->mutex);
    auto& children = dir.parent->children;
    std::erase_if(children, [&](const auto& c) { return c.get() == &dir; });
    return;
  }
  {
    const std::scoped_lock lock(mutex_);
    root_done_ = true;
  }
  changed_.notify_all();
}

void Uploader::report_to_parent(UploadDir& dir, DirEntry entry) {
  UploadDir& parent = *dir.parent;
  const std::scoped_lock lock(parent.mutex);
  UploadSubdir& sub = parent.subdirs[dir.index_in_parent];
  sub.encoded_offset = parent.encoded.size();
  entry.append_json(parent.encoded);
  sub.encoded_size = static_cast<std::uint32_t>(parent.encoded.size() - sub.encoded_offset);
  sub.state = ItemState::done;
  parent.summary.add(entry);
}

void Uploader::record_error(UploadDir& dir, const std::string& path, const std::string& message, bool ignored) {
  {
    const std::scoped_lock lock(dir.mutex);
    dir.summary.add_error({path, message}, ignored);
  }
  auto& count = ignored ? stats_.ignored_errors : stats_.errors;
  count.fetch_add(1, std::memory_order_relaxed);
  (ignored ? progress_.counters.ignored_errors : progress_.counters.errors).fetch_add(1, std::memory_order_relaxed);
  progress_.set_last_error(path, message);
  progress_.on_entry_error(path, message, ignored);
  if (!ignored && options_.fail_fast) {
    cancel("canceled");
  }
}

void Uploader::log_directory(const UploadDir& dir, const Summary& summary, const object::ObjectId& id) const {
  const std::int64_t detail =
      options_.log_dir_detail.value_or(dir.policies.policy().logging.dir_snapshotted.value_or(0));
  if (!want_log_ || (detail <= 0 && summary.errors.empty())) {
    return;
  }
  Json fields = Json::object({{"path", dir.path}});
  if (detail >= 1) {
    fields.set("dur", go_duration({monotonic_ns() - dir.start_ns}));
  }
  if (detail >= 3) {
    fields.set("size", summary.size);
  }
  if (detail >= 5) {
    fields.set("files", summary.files);
    fields.set("dirs", summary.dirs);
    fields.set("errors", summary.num_failed + summary.num_ignored_errors);
  }
  if (detail >= 6) {
    fields.set("mtime", rfc3339(dir.mtime));
  }
  if (detail >= 7) {
    fields.set("oid", id.text());
  }
  log::write(log::Level::debug, "uploader", "snapshotted directory", fields.dump());
}

void Uploader::log_entry(const UploadDir& dir, std::string_view name, std::string_view what, std::int64_t detail,
                         std::int64_t size, std::int64_t start_ns) const {
  if (!want_log_ || detail <= 0) {
    return;
  }
  Json fields = Json::object({{"path", dir.child_path(name)}});
  if (start_ns != 0) {
    fields.set("dur", go_duration({monotonic_ns() - start_ns}));
  }
  if (detail >= 3) {
    fields.set("size", size);
  }
  log::write(log::Level::debug, "uploader", what, fields.dump());
}

}  // namespace cairn::snapshot
