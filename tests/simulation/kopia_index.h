// Index blobs as Kopia reads and writes them (kopia-format §9.2–9.5, 13.5): written from the rules alone, nothing of
// our own index management is in it, and where ours is more careful this is not.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "blob/storage.h"
#include "format/repository_format.h"
#include "format/unit_crypto.h"
#include "index/index_blob.h"

namespace cairn::simulation {

// The cache directory of one client; it outlives its processes.
struct KopiaCache {
  struct Listing {
    Timestamp expires;
    std::vector<blob::BlobMetadata> blobs;
  };
  std::map<std::string, Listing> listings;
  std::map<std::string, Timestamp> added, removed;  // own writes
  std::map<std::string, std::shared_ptr<const index::IndexReader>> indexes;
  std::map<std::string, Buffer> metadata;  // whole q packs
};

class KopiaIndex {
 public:
  using Blobs = std::vector<blob::BlobMetadata>;
  // `cache` may be null: nothing is remembered, every list is fresh.
  KopiaIndex(blob::Storage& storage, const format::UnitCrypto& crypto, const format::FormatManager& format,
             const Clock& clock, KopiaCache* cache)
      : storage_(storage), crypto_(crypto), format_(format), clock_(clock), cache_(cache) {}

  struct State {
    std::int64_t write_epoch = 0;
    std::int64_t watermark = 0;  // unix seconds; 0: none
    Blobs markers, watermarks;
    std::map<std::int64_t, Blobs> uncompacted;  // of write epoch − 1 … + 1
    std::map<std::int64_t, Blobs> singles;      // the first complete set of each epoch
    struct Range {
      std::int64_t min = 0, max = 0;
      Blobs blobs;
    };
    std::vector<Range> ranges;  // the chain
    Timestamp valid_until;
  };
  // At most a refresh period old, and valid for `remaining` more.
  Result<State> state(Duration remaining = {});
  void invalidate() { state_.reset(); }
  // §9.4
  Result<Blobs> active();
  Result<Blobs> of_epochs(const State& state, std::int64_t first, std::int64_t last);
  // §9.5. Errors: failed_precondition (the epoch advanced twice meanwhile).
  Status write(const std::vector<Buffer>& plaintexts, const std::string& session);
  Result<std::shared_ptr<const index::IndexReader>> load(const BlobId& id);

  Result<Blobs> list(const std::string& prefix);
  Status put(const BlobId& id, ByteView data);
  Status remove(const BlobId& id);
  format::EpochParameters parameters() const { return format_.current()->epoch; }
  const format::UnitCrypto& crypto() const { return crypto_; }
  int version() const { return format_.current()->index_version; }

 private:
  Result<State> refresh();

  blob::Storage& storage_;
  const format::UnitCrypto& crypto_;
  const format::FormatManager& format_;
  const Clock& clock_;
  KopiaCache* const cache_;
  std::optional<State> state_;
};

}  // namespace cairn::simulation
