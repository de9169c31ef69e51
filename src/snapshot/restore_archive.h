// Restoring into a tar, tar+gzip or zip stream. (kopia-model §9.8)
#pragma once

#include <memory>
#include <string>

#include "snapshot/restore_output.h"

namespace cairn::snapshot {

// Where an archive's bytes go, in order.
class ByteSinkStream {
 public:
  virtual ~ByteSinkStream() = default;
  virtual Status write(ByteView bytes) = 0;
  virtual Status close() = 0;
};

// A file that is created, or replaced once the archive is whole. Errors: "unable to create output file: open P: …".
Result<std::unique_ptr<ByteSinkStream>> open_archive_file(const std::string& path);

enum class ArchiveFormat { tar, tgz, zip, zip_nocompress };

// `as_kopia`: zip without links and directories, as Kopia writes it. `single_name`: the name of the entry when one file
// is restored that has no name itself.
std::unique_ptr<RestoreOutput> make_archive_output(ArchiveFormat format, std::unique_ptr<ByteSinkStream> sink,
                                                   bool as_kopia, std::string single_name);

}  // namespace cairn::snapshot
