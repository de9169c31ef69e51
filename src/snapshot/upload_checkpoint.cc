// Checkpoints: what has been stored so far becomes an incomplete snapshot. (kopia-model §8.8)
#include <algorithm>

#include "base/log.h"
#include "base/random.h"
#include "snapshot/store.h"
#include "snapshot/upload_internal.h"

namespace cairn::snapshot {
namespace {

std::string random_uuid() {
  Buffer b(16);
  random_bytes(b.mut());
  b[6] = static_cast<Byte>((b[6] & 0x0f) | 0x40);
  b[8] = static_cast<Byte>((b[8] & 0x3f) | 0x80);
  const std::string hex = hex_encode(b);
  return hex.substr(0, 8) + '-' + hex.substr(8, 4) + '-' + hex.substr(12, 4) + '-' + hex.substr(16, 4) + '-' +
         hex.substr(20);
}

}  // namespace

void Uploader::checkpoint() {
  if (stopping()) {
    return;
  }
  const Status status = try_checkpoint();
  if (!status.ok()) {
    log::error("upload", "unable to create checkpoint: {}", status.message());
    cancel("canceled");
    return;
  }
  progress_.on_checkpoint();
}

Status Uploader::try_checkpoint() {
  std::shared_ptr<UploadDir> root;
  {
    const std::scoped_lock lock(mutex_);
    root = root_;
  }
  const std::stop_token never;
  if (root) {
    SnapshotManifest manifest;
    TRY_ASSIGN(manifest.root, checkpoint_directory(*root));
    manifest.source = source_.info;
    manifest.start_time = start_time_;
    manifest.end_time = repository_.clock().now();
    manifest.incomplete = "checkpoint";
    manifest.tags = options_.checkpoint_tags;
    const auto retention = [&] {
      return apply_retention(repository_.manifests(), source_.info, true, never)
          .status()
          .with_frame("unable to apply retention policy");
    };
    TRY(fresh_.save(repository_, manifest, retention, never), "error saving checkpoint");
    fresh_.renew();
    return {};
  }
  return repository_.flush(never).with_frame("error flushing after checkpoint");
}

// Open files first, then what is finished: nothing can be in neither.
Result<DirEntry> Uploader::checkpoint_directory(UploadDir& dir) {
  std::vector<std::shared_ptr<UploadDir>> children;
  {
    const std::scoped_lock lock(dir.mutex);
    children = dir.children;
  }
  std::vector<std::pair<std::uint32_t, DirEntry>> in_progress;
  for (const auto& child : children) {
    TRY_ASSIGN(DirEntry entry, checkpoint_directory(*child));
    in_progress.emplace_back(child->index_in_parent, std::move(entry));
  }
  DirectoryBuilder builder;
  TRY(add_open_files(dir, builder));
  std::vector<std::uint32_t> finished;
  TRY(add_finished(dir, builder, finished));
  for (const auto& [index, entry] : in_progress) {
    if (!std::binary_search(finished.begin(), finished.end(), index)) {
      builder.add(entry);
    }
  }
  object::WriterOptions options;
  options.prefix = 'k';
  options.compressor = options.metadata_compressor = dir.metadata_compressor;
  const std::stop_token never;
  const auto writer = repository_.objects().new_writer(options);
  DirEntry entry;
  TRY_ASSIGN(entry.summ, builder.encode(dir.mtime, "checkpoint",
                                        [&](std::string_view piece) { return writer->write(as_bytes(piece), never); }));
  TRY_ASSIGN(entry.obj, writer->result(never));
  entry.name = dir.name;
  entry.type = EntryType::directory;
  entry.mode = dir.mode;
  entry.mtime = dir.mtime;
  entry.uid = dir.uid;
  entry.gid = dir.gid;
  return entry;
}

Status Uploader::add_open_files(UploadDir& dir, DirectoryBuilder& builder) {
  std::vector<std::shared_ptr<UploadOpenFile>> open_files;
  {
    const std::scoped_lock lock(dir.mutex);
    open_files = dir.open_files;
  }
  for (const auto& file : open_files) {
    object::ObjectId id;
    {
      const std::scoped_lock lock(file->mutex);
      if (file->writer != nullptr) {
        TRY_ASSIGN(id, file->writer->checkpoint({}));
      }
    }
    if (id.empty()) {
      continue;
    }
    // Its size and id are being written by a worker; the other attributes never change.
    const UploadItem& item = dir.items[file->item];
    DirEntry entry;
    entry.name =
        ".checkpointed." + (file->part ? random_uuid() : std::string(dir.item_name(item))) + '.' + random_uuid();
    entry.type = EntryType::file;
    entry.mode = item.mode;
    entry.size = file->stat_size;
    entry.mtime = item.mtime;
    entry.uid = item.uid;
    entry.gid = item.gid;
    entry.obj = id;
    builder.add(entry);
  }
  return {};
}

Status Uploader::add_finished(UploadDir& dir, DirectoryBuilder& builder, std::vector<std::uint32_t>& finished) {
  DirEntry entry;
  for (const UploadItem& item : dir.items) {
    if (item.load_state() == ItemState::done) {
      fill_entry(dir, item, entry);
      builder.add(entry);
    }
  }
  const std::scoped_lock lock(dir.mutex);
  for (std::uint32_t i = 0; i < dir.subdirs.size(); ++i) {
    const UploadSubdir& sub = dir.subdirs[i];
    if (sub.state != ItemState::done) {
      continue;
    }
    TRY_ASSIGN(const Json json,
               Json::parse(std::string_view(dir.encoded).substr(sub.encoded_offset, sub.encoded_size)));
    TRY_ASSIGN(DirEntry done, DirEntry::from_json(json));
    done.name = dir.subdir_name(sub);
    builder.add(done);
    finished.push_back(i);
  }
  return {};
}

}  // namespace cairn::snapshot
