#include "snapshot/restore_archive.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "base/random.h"
#include "snapshot/archive_writer.h"
#include "sys/file.h"

namespace cairn::snapshot {
namespace {

class FileSink final : public ByteSinkStream {
 public:
  // `temporary`: the name until close(); "" = written in place.
  FileSink(sys::UniqueFd fd, std::string path, std::string temporary)
      : fd_(std::move(fd)), path_(std::move(path)), temporary_(std::move(temporary)) {
    pending_.reserve(kBufferSize);
  }
  ~FileSink() override {
    if (!temporary_.empty()) {
      (void)::unlink(temporary_.c_str());
    }
  }
  Status write(ByteView bytes) override {
    if (pending_.size() + bytes.size() > kBufferSize) {
      TRY(flush());
    }
    if (bytes.size() >= kBufferSize) {
      return checked(sys::write_all(fd_.get(), bytes));
    }
    pending_.append(bytes);
    return {};
  }
  Status close() override {
    TRY(flush());
    TRY(fd_.close("close " + path_));
    if (!temporary_.empty()) {
      TRY(sys::rename_file(temporary_, path_));
      temporary_.clear();
    }
    return {};
  }

 private:
  static constexpr std::size_t kBufferSize = 256 * 1024;
  Status checked(Status s) { return s.ok() ? std::move(s) : std::move(s).with_frame("write " + path_); }
  Status flush() {
    Status s = checked(sys::write_all(fd_.get(), pending_.view()));
    pending_.clear();
    return s;
  }
  sys::UniqueFd fd_;
  std::string path_;
  std::string temporary_;
  Buffer pending_;
};

struct ArchiveDirectory : RestoreOutput::Directory {
  std::string path;  // "" = the root, otherwise with a slash at the end
};

std::string path_in(const RestoreOutput::DirectoryPtr& directory, std::string_view name) {
  std::string p = directory == nullptr ? std::string() : static_cast<const ArchiveDirectory&>(*directory).path;
  p += name;
  return p;
}

ArchiveItem item_of(const DirEntryView& entry, std::string path) {
  ArchiveItem item;
  item.path = std::move(path);
  item.type = entry.type;
  item.mode = entry.mode;
  item.uid = entry.uid;
  item.gid = entry.gid;
  item.mtime = entry.mtime;
  return item;
}

class ArchiveFile final : public RestoreOutput::File {
 public:
  ArchiveFile(ArchiveWriter& writer, std::int64_t length) : writer_(writer), length_(length) {}
  Status write_at(std::int64_t offset, ByteView bytes) override {
    if (offset != written_ || static_cast<std::int64_t>(bytes.size()) > length_ - written_) {
      return error(Code::corrupt, "file data out of order: offset {} instead of {}", offset, written_);
    }
    written_ += static_cast<std::int64_t>(bytes.size());
    return writer_.data(bytes);
  }
  Status finish() override {
    if (written_ != length_) {
      return error(Code::corrupt, "file ends after {} of {} bytes", written_, length_);
    }
    return writer_.end_file();
  }

 private:
  ArchiveWriter& writer_;
  std::int64_t length_;
  std::int64_t written_ = 0;
};

class ArchiveOutput final : public RestoreOutput {
 public:
  ArchiveOutput(std::unique_ptr<ArchiveWriter> writer, std::string single_name)
      : writer_(std::move(writer)), single_name_(std::move(single_name)) {}
  bool concurrent() const override { return false; }
  Status prepare(const DirEntry&) override { return {}; }
  Result<DirectoryPtr> begin_directory(const DirectoryPtr& parent, const DirEntryView& entry) override {
    auto d = std::make_shared<ArchiveDirectory>();
    if (parent != nullptr) {
      d->path = path_in(parent, entry.name) + "/";
      TRY(writer_->directory(item_of(entry, d->path)));
    }
    return DirectoryPtr(std::move(d));
  }
  bool may_hold_entries(const Directory&) const override { return false; }
  Status finish_directory(Directory&, const DirEntryView&) override { return {}; }
  bool already_there(const DirectoryPtr&, const DirEntryView&) override { return false; }
  Result<RemovedCounts> remove_extra(Directory&, const std::function<bool(std::string_view, bool)>&) override {
    return RemovedCounts{};
  }
  Result<FilePtr> create_file(const DirectoryPtr& directory, const DirEntryView& entry, std::int64_t length) override {
    ArchiveItem item = item_of(entry, path_of(directory, entry));
    item.size = length;
    TRY(writer_->begin_file(item));
    return FilePtr(std::make_shared<ArchiveFile>(*writer_, length));
  }
  Status write_symlink(const DirectoryPtr& directory, const DirEntryView& entry, const std::string& target) override {
    ArchiveItem item = item_of(entry, path_of(directory, entry));
    item.link_target = target;
    return writer_->symlink(item);
  }
  Status write_placeholder(const DirectoryPtr&, const DirEntryView&) override {
    return Status(Code::unsupported, "placeholders cannot be written to archives");
  }
  bool placeholder_fits(const DirEntryView&) const override { return false; }
  std::string describe(const DirectoryPtr& directory, std::string_view name) const override {
    return path_in(directory, name);
  }
  Status finish() override { return writer_->finish(); }

 private:
  std::string path_of(const DirectoryPtr& directory, const DirEntryView& entry) const {
    return directory == nullptr && !safe_entry_name(entry.name) ? single_name_ : path_in(directory, entry.name);
  }
  std::unique_ptr<ArchiveWriter> writer_;
  std::string single_name_;
};

}  // namespace

Result<std::unique_ptr<ByteSinkStream>> open_archive_file(const std::string& path) {
  // A former archive stays until the new one is whole. Pipes and devices are written to as they are.
  const auto info = sys::stat_path(path);
  const bool in_place = info.ok() && !info->is_regular();
  const std::string temporary = in_place ? "" : path + ".cairn-" + random_hex(4);
  const int flags = in_place ? O_WRONLY | O_CLOEXEC : O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC;
  const int fd = ::open((in_place ? path : temporary).c_str(), flags, 0666);
  if (fd < 0) {
    return errno_status(errno, "open " + path).with_frame("unable to create output file");
  }
  return std::unique_ptr<ByteSinkStream>(std::make_unique<FileSink>(sys::UniqueFd(fd), path, temporary));
}

std::unique_ptr<RestoreOutput> make_archive_output(ArchiveFormat format, std::unique_ptr<ByteSinkStream> sink,
                                                   bool as_kopia, std::string single_name) {
  std::unique_ptr<ArchiveWriter> writer;
  switch (format) {
    case ArchiveFormat::tar:
    case ArchiveFormat::tgz:
      writer = make_tar_writer(std::move(sink), format == ArchiveFormat::tgz);
      break;
    case ArchiveFormat::zip:
    case ArchiveFormat::zip_nocompress:
      writer = make_zip_writer(std::move(sink), format == ArchiveFormat::zip, !as_kopia);
      break;
  }
  return std::make_unique<ArchiveOutput>(std::move(writer), std::move(single_name));
}

}  // namespace cairn::snapshot
