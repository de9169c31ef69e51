#include "index/epoch_merge.h"

#include <algorithm>
#include <tuple>

#include "base/random.h"
#include "index/epoch_sets.h"

namespace cairn::index {
namespace {

using blob::BlobMetadata;

constexpr std::int64_t kSmallBytes = 1 << 20;
// What one merge takes in: it is built in memory.
constexpr std::int64_t kMergedBytesMax = 32 << 20;
constexpr std::size_t kInMemoryMax = 16u << 20;
constexpr std::size_t kMergeFrom = 16;  // fewer are not worth a blob
// Tells merged blobs by their names: only these are looked into for what they cover.
constexpr std::string_view kMergedSession = "s6d65726765";

bool is_merged(const BlobId& id) { return id.text.find("-" + std::string(kMergedSession)) != std::string::npos; }

// Does `in` hold each entry of `blob`, or one that beats it?
Result<bool> covers(const IndexReader& in, const IndexReader& blob) {
  for (std::size_t i = 0; i < blob.size(); ++i) {
    TRY_ASSIGN(const Entry entry, blob.at(i));
    TRY_ASSIGN(const std::ptrdiff_t at, in.find(entry.id));
    if (at < 0) {
      return false;
    }
    TRY_ASSIGN(const Entry other, in.at(static_cast<std::size_t>(at)));
    if (beats(entry, other)) {
      return false;
    }
  }
  return true;
}

Result<std::int64_t> remove_covered(const EpochTaskContext& c, const EpochState::Set& epoch, Timestamp now,
                                    std::stop_token stop) {
  const Timestamp limit = now - c.parameters.refresh_frequency * 3;
  PlaintextStore plaintexts(c.scratch_directory, kInMemoryMax);
  std::vector<IndexReader> merged;
  std::vector<const BlobMetadata*> merged_blobs;
  for (const BlobMetadata& b : epoch.blobs) {
    if (is_merged(b.id) && b.timestamp <= limit) {
      TRY_ASSIGN(IndexReader reader, read_index_blob(c, b.id, plaintexts, stop));
      merged.push_back(std::move(reader));
      merged_blobs.push_back(&b);
    }
  }
  std::int64_t removed = 0;
  for (const BlobMetadata& b : epoch.blobs) {
    if (merged.empty() || b.length >= kSmallBytes) {
      continue;
    }
    TRY_ASSIGN(const IndexReader reader, read_index_blob(c, b.id, plaintexts, stop));
    for (std::size_t m = 0; m < merged.size(); ++m) {
      // Merged blobs give way to later ones only: two equal ones must not go because of each other.
      const BlobMetadata& by = *merged_blobs[m];
      if (by.id == b.id || (is_merged(b.id) && std::tie(by.timestamp, by.id.text) < std::tie(b.timestamp, b.id.text))) {
        continue;
      }
      TRY_ASSIGN(const bool covered, covers(merged[m], reader), "index blob {}", b.id.text);
      if (covered) {
        TRY(c.storage.remove(b.id, stop), "error removing index blob {}", b.id.text);
        ++removed;
        break;
      }
    }
  }
  return removed;
}

// The write epoch's small blobs that no other blob covers.
Result<std::int64_t> publish_merged(const EpochTaskContext& c, const EpochState::Set& epoch, std::stop_token stop) {
  std::vector<BlobId> inputs;
  std::optional<Timestamp> newest_merged;
  for (const BlobMetadata& b : epoch.blobs) {
    if (is_merged(b.id)) {
      newest_merged = std::max(newest_merged.value_or(b.timestamp), b.timestamp);
    }
  }
  std::size_t fresh = 0;
  std::int64_t bytes = 0;
  for (const BlobMetadata& b : epoch.blobs) {
    if (b.length < kSmallBytes && bytes + b.length <= kMergedBytesMax) {
      bytes += b.length;
      inputs.push_back(b.id);
      fresh += !newest_merged || b.timestamp > *newest_merged ? 1 : 0;
    }
  }
  if (fresh < kMergeFrom) {
    return std::int64_t{0};
  }
  PlaintextStore plaintexts(c.scratch_directory, kInMemoryMax);
  std::vector<IndexReader> readers;
  std::vector<const IndexReader*> pointers;
  readers.reserve(inputs.size());
  for (const BlobId& id : inputs) {
    TRY_ASSIGN(IndexReader reader, read_index_blob(c, id, plaintexts, stop));
    readers.push_back(std::move(reader));
    pointers.push_back(&readers.back());
  }
  std::vector<Buffer> shards;
  MergedShards out;
  out.version = c.index_version;
  out.entries_max = kShardSizeMax;
  out.begin = [](std::size_t) { return Status(); };
  out.shard = [&](Buffer plaintext) {
    shards.push_back(std::move(plaintext));
    return Status();
  };
  TRY(build_merged(pointers, out, stop));
  TRY(c.epochs.write(std::move(shards), std::string(kMergedSession) + random_hex(5), stop));
  return static_cast<std::int64_t>(inputs.size());
}

const EpochState::Set* set_of(const EpochState& state, std::int64_t epoch) {
  const auto it = std::ranges::find(state.uncompacted, epoch, &EpochState::Set::min_epoch);
  return it == state.uncompacted.end() ? nullptr : &*it;
}

}  // namespace

Result<MergedIndexes> merge_small_indexes(const EpochTaskContext& c, Timestamp now, std::stop_token stop) {
  MergedIndexes result;
  c.epochs.invalidate();
  TRY_ASSIGN(const EpochState before, c.epochs.state(stop));
  for (std::int64_t e = before.write_epoch - 1; e <= before.write_epoch; ++e) {
    if (const EpochState::Set* set = set_of(before, e)) {
      TRY_ASSIGN(const std::int64_t removed, remove_covered(c, *set, now, stop));
      result.removed_count += removed;
    }
  }
  c.epochs.invalidate();
  TRY_ASSIGN(const EpochState state, c.epochs.state(stop));
  if (const EpochState::Set* set = set_of(state, state.write_epoch)) {
    TRY_ASSIGN(result.merged_count, publish_merged(c, *set, stop));
  }
  return result;
}

}  // namespace cairn::index
