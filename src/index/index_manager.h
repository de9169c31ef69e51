// Which index blobs are in force, and publishing new ones: epochs (format ≥ 2) or the legacy n/m/l blobs (format 1).
// docs/format/epochs.md (kopia-format §9)
#pragma once

#include <memory>
#include <vector>

#include "base/time.h"
#include "blob/storage.h"
#include "format/repository_format.h"
#include "format/unit_crypto.h"

namespace cairn::index {

struct ActiveSet {
  std::vector<blob::BlobMetadata> blobs;  // index blobs in force
  Timestamp deletion_watermark = Timestamp::zero();
};

class IndexManager {
 public:
  virtual ~IndexManager() = default;
  // Lists what is in force now (kopia-format §9.4 with the union rule of §9.12; §9.11 for legacy).
  virtual Result<ActiveSet> active(std::stop_token stop) = 0;
  // Publishes index plaintexts by the rules of §9.5 (or `n` blobs); returns their metadata once all are stored.
  // `session_id` goes into the names. Errors: failed_precondition "extremely slow index write" (nothing committed).
  virtual Result<std::vector<blob::BlobMetadata>> write(std::vector<Buffer> plaintexts, std::string_view session_id,
                                                        std::stop_token stop) = 0;
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
  std::vector<Set> uncompacted;  // one per epoch write−1 … write+1, min == max
  std::vector<Set> singles;      // complete xs sets, by epoch
  std::vector<Set> ranges;       // the chosen chain
  std::vector<blob::BlobMetadata> markers;     // xe
  std::vector<blob::BlobMetadata> watermarks;  // xw
  Timestamp valid_until = Timestamp::zero();
};

class EpochManager : public IndexManager {
 public:
  virtual Result<EpochState> state(std::stop_token stop) = 0;
};
// `parameters` gives the current epoch parameters at each use.
std::unique_ptr<EpochManager> make_epoch_manager(std::shared_ptr<blob::Storage> storage,
                                                 std::shared_ptr<const format::UnitCrypto> crypto,
                                                 std::function<format::EpochParameters()> parameters, const Clock& clock);

}  // namespace cairn::index
