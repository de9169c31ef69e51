// The blobs that hold a repository's data: packs that index entries name, and index blobs in force. Reading them back
// whole, and checking what was read.
#pragma once

#include <functional>
#include <limits>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "content/content_manager.h"

namespace cairn::proof {

// Times of reading are Unix seconds.
inline constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::min();

struct Unit {
  BlobId id;
  bool is_index = false;
  std::int64_t length = -1;  // −1: not in the storage
  Timestamp timestamp;
  std::uint32_t contents = 0;  // index entries that name the pack, deleted ones counted; 0: nothing refers to it
  std::int64_t needed = 0;     // bytes that the entries reach to
  std::int64_t last_read = kNever;
  bool failed = false;  // the last reading found damage

  bool missing() const { return length < 0; }
  bool short_of() const { return !missing() && needed > length; }
  bool in_use() const { return is_index || contents > 0; }
};

// One content in a pack.
struct PackItem {
  ContentId id;
  std::uint32_t unit = 0;
  std::uint32_t offset = 0, packed_length = 0, original_length = 0;
  compress::HeaderId compression = 0;
};

class Units {
 public:
  // What the indexes name and what the storage has. About 150 bytes a blob.
  static Result<Units> load(content::ContentManager& contents, const std::vector<blob::BlobMetadata>& index_blobs,
                            std::stop_token stop);
  std::vector<Unit>& all() { return units_; }
  const std::vector<Unit>& all() const { return units_; }
  // −1 when unknown.
  std::int64_t find(std::string_view id) const;
  // Counts anew what the indexes name, after contents were refreshed: others may have moved contents meanwhile.
  Status recount(content::ContentManager& contents, std::stop_token stop);

 private:
  std::uint32_t add(const BlobId& id);
  std::vector<Unit> units_;
  std::unordered_map<std::string, std::uint32_t> numbers_;
};

// What reading a unit said.
struct Verdict {
  struct Bad {
    ContentId id;
    std::string why;
  };
  std::int64_t bytes = 0;      // read
  std::int64_t contents = 0;   // looked at
  bool gone = false;           // not in the storage
  std::vector<Bad> bad;        // contents that the indexes place here and that are not what they should be
  std::int64_t bad_other = 0;  // contents of the pack that no index names, not good either
  std::string problem;         // of an index blob, or of a pack's own index
  std::int64_t repaired = 0;   // shards that error correction repaired
  bool good() const { return !gone && bad.empty() && bad_other == 0 && problem.empty(); }
};

// Authenticates every content of a pack: those of `items` (ascending by offset) and those that the pack's own index
// lists. Thread-safe.
Verdict check_pack(ByteView pack, std::span<const PackItem> items, const format::UnitCrypto& crypto);
Verdict check_index_blob(const BlobId& id, ByteView stored, const format::UnitCrypto& crypto);

struct ReadOptions {
  unsigned parallel = 4;
  blob::Storage* from = nullptr;  // another storage than the contents' own: a copy
  // Asked before each unit, by any thread, in order; false ends the reading.
  std::function<bool(const Unit&)> go_on;
};
using OnUnit = std::function<Status(std::uint32_t number, Verdict&& verdict, ByteView bytes)>;
// Reads the units in the given order, each whole and from the storage itself, and tells what was found; `on_read` is
// called by one thread at a time. Memory: 56 bytes a content, for a million contents at once, and a pack a thread.
// Errors: the storage's (nothing is known about that unit then).
Status read_units(content::ContentManager& contents, Units& units, std::span<const std::uint32_t> order,
                  const ReadOptions& options, const OnUnit& on_read, std::stop_token stop);

}  // namespace cairn::proof
