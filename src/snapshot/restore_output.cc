#include "snapshot/restore_output.h"

namespace cairn::snapshot {

Status RestoreOutput::write_file(const DirectoryPtr& directory, const DirEntryView& entry, ByteView content) {
  TRY_ASSIGN(const FilePtr file, create_file(directory, entry, static_cast<std::int64_t>(content.size())));
  if (!content.empty()) {
    TRY(file->write_at(0, content));
  }
  return file->finish();
}

}  // namespace cairn::snapshot
