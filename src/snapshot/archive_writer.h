// Archive formats as streams. Entries come one after another; nothing is held but the zip directory (its names).
#pragma once

#include <memory>
#include <string>

#include "base/time.h"
#include "snapshot/restore_archive.h"
#include "snapshot/types.h"

namespace cairn::snapshot {

struct ArchiveItem {
  std::string path;  // directories end in '/'
  EntryType type = EntryType::file;
  std::uint32_t mode = 0;  // 07777
  std::uint32_t uid = 0, gid = 0;
  std::int64_t size = 0;
  Timestamp mtime{};
  std::string link_target;
};

class ArchiveWriter {
 public:
  virtual ~ArchiveWriter() = default;
  virtual Status directory(const ArchiveItem& item) = 0;
  virtual Status symlink(const ArchiveItem& item) = 0;
  // Followed by exactly `size` bytes of data() and end_file().
  virtual Status begin_file(const ArchiveItem& item) = 0;
  virtual Status data(ByteView bytes) = 0;
  virtual Status end_file() = 0;
  virtual Status finish() = 0;
};

// POSIX tar; a pax header only where the plain one cannot hold a value.
std::unique_ptr<ArchiveWriter> make_tar_writer(std::unique_ptr<ByteSinkStream> sink, bool gzip);
// Zip with data descriptors, zip64 where needed. `everything`: links and directories, too.
std::unique_ptr<ArchiveWriter> make_zip_writer(std::unique_ptr<ByteSinkStream> sink, bool deflate, bool everything);

}  // namespace cairn::snapshot
