// The log that clients keep in the repository itself: `_log_` blobs, gzip of one JSON object a line, sealed like index
// blobs. Optional in the format; nothing depends on them. docs/format/blobs.md (kopia-format §1.2)
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/log.h"
#include "blob/storage.h"
#include "format/unit_crypto.h"

namespace cairn::repo {

inline constexpr std::string_view kLogBlobPrefix = "_log_";

// Collects the lines of one process, at most 4 MiB (what follows is counted, not kept), and stores them at close().
// Thread-safe.
class RepositoryLog final : public log::Sink {
 public:
  RepositoryLog(std::shared_ptr<blob::Storage> storage, std::shared_ptr<const format::UnitCrypto> crypto,
                const Clock& clock);
  void write(log::Level level, std::string_view module, std::string_view message, std::string_view fields) override;
  log::Level level() const override { return log::Level::debug; }
  // Stores what was collected as one blob; nothing when there is nothing. Later lines are dropped.
  Status close(std::stop_token stop);

 private:
  const std::shared_ptr<blob::Storage> storage_;
  const std::shared_ptr<const format::UnitCrypto> crypto_;
  const Clock& clock_;
  const Timestamp started_;
  std::mutex mutex_;
  std::string text_;
  std::int64_t dropped_ = 0;
  bool closed_ = false;
};

// The blobs of one process, which share "<local time>_<4 hex>" in their names.
struct LogSession {
  std::string id;
  Timestamp start, end;
  std::int64_t bytes = 0;
  std::vector<blob::BlobMetadata> segments;  // in order
};
// Ascending by start. Blobs whose names do not parse are left out.
Result<std::vector<LogSession>> list_log_sessions(blob::Storage& storage, std::stop_token stop);
// Lines of one blob. Errors: corrupt, the storage's.
Result<Buffer> read_log_blob(blob::Storage& storage, const format::UnitCrypto& crypto, const BlobId& id,
                             std::stop_token stop);

}  // namespace cairn::repo
