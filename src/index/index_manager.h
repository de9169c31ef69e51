// Which index blobs are in force, and publishing new ones: epochs (format ≥ 2) or the legacy n/m/l blobs (format 1).
// docs/format/epochs.md (kopia-format §9)
#pragma once

#include <functional>
#include <memory>
#include <stop_token>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "blob/storage.h"
#include "format/repository_format.h"
#include "format/unit_crypto.h"
#include "index/index_blob.h"

namespace cairn::index {

struct ActiveSet {
  // Index blobs in force. The first `primary_count` are those Kopia would read; the others are redundant in a healthy
  // repository but may hold entries Kopia does not see (kopia-format §9.12): such an entry may be read, but a writer
  // must not rely on it for deduplication.
  std::vector<blob::BlobMetadata> blobs;
  std::size_t primary_count = 0;
  Timestamp deletion_watermark = Timestamp::zero();
};

// Decrypts and opens a stored index blob. Errors: corrupt, unsupported.
Result<IndexReader> open_index_blob(const format::UnitCrypto& crypto, const BlobId& id, ByteView stored);

// Thread-safe.
class IndexManager {
 public:
  virtual ~IndexManager() = default;
  // Lists what is in force now, always anew (kopia-format §9.4 with the union rule of §9.12; §9.11 for legacy). A blob
  // of the result may be gone by the time it is read: then ask again.
  virtual Result<ActiveSet> active(std::stop_token stop) = 0;
  // Publishes index plaintexts by the rules of §9.5 (or `n` blobs); returns their metadata once all are stored.
  // `session_id` goes into the names. Errors: failed_precondition "extremely slow index write"; the storage's. After an
  // error nothing counts as committed, and the same plaintexts may be written again.
  virtual Result<std::vector<blob::BlobMetadata>> write(std::vector<Buffer> plaintexts, std::string_view session_id,
                                                        std::stop_token stop) = 0;
  // Forgets what earlier listings said.
  virtual void invalidate() = 0;
};

std::unique_ptr<IndexManager> make_legacy_index_manager(std::shared_ptr<blob::Storage> storage,
                                                        std::shared_ptr<const format::UnitCrypto> crypto);

// State of the epochs, for display and maintenance.
struct EpochState {
  std::int64_t write_epoch = 0;
  Timestamp write_epoch_start = Timestamp::zero();  // time of its marker; zero for epoch 0
  Timestamp deletion_watermark = Timestamp::zero();
  struct Set {
    std::int64_t min_epoch = 0, max_epoch = 0;
    std::vector<blob::BlobMetadata> blobs;
  };
  std::vector<Set> uncompacted;             // xn by epoch: every epoch that has some, and always write−1 … write+1
  std::vector<Set> singles;                 // complete xs sets by epoch; the first of an epoch is the one Kopia uses
  std::vector<Set> ranges;                  // the chosen chain; several complete sets of one range follow each other
  std::vector<blob::BlobMetadata> markers;  // xe
  std::vector<blob::BlobMetadata> watermarks;  // xw
  Timestamp valid_until = Timestamp::zero();
};

class EpochManager : public IndexManager {
 public:
  // The last state while it is valid, else a fresh one.
  virtual Result<EpochState> state(std::stop_token stop) = 0;
};
// `parameters` gives the current epoch parameters at each use.
std::unique_ptr<EpochManager> make_epoch_manager(std::shared_ptr<blob::Storage> storage,
                                                 std::shared_ptr<const format::UnitCrypto> crypto,
                                                 std::function<format::EpochParameters()> parameters,
                                                 const Clock& clock);

}  // namespace cairn::index
