#include "index/epoch_tasks.h"

#include <algorithm>
#include <set>

#include "index/epoch_sets.h"

namespace cairn::index {
namespace {

using blob::BlobMetadata;

constexpr std::size_t kInputsInMemoryMax = 16u << 20;

const std::vector<BlobMetadata>& uncompacted_of(const EpochState& state, std::int64_t epoch) {
  static const std::vector<BlobMetadata> none;
  const auto it = std::ranges::find(state.uncompacted, epoch, &EpochState::Set::min_epoch);
  return it == state.uncompacted.end() ? none : it->blobs;
}

std::int64_t end_of_ranges(const EpochState& state) {
  return state.ranges.empty() ? 0 : state.ranges.back().max_epoch + 1;
}

Status put_marker(blob::Storage& storage, const BlobId& id, std::string_view text, std::stop_token stop) {
  return storage.put(id, as_bytes(text), stop).status();
}

// The same inputs give the same set with the same shards, so a compaction that was cut off goes on where it stopped.
std::string set_id_of(const EpochTaskContext& c, const std::vector<BlobMetadata>& inputs, std::string_view prefix,
                      std::size_t shard_count) {
  std::string text = fmt::format("{} {}", prefix, shard_count);
  for (const BlobMetadata& b : inputs) {
    text += '\n' + b.id.text;
  }
  HashValue hash;
  c.crypto.hasher().hash(as_bytes(text), hash);
  return "s" + hex_encode(hash.view().first(8));
}

// All entries of `inputs`, deleted and hidden ones too, as one complete set named "<prefix><hash>-s<set>-c<count>".
Status publish_merged(const EpochTaskContext& c, const std::vector<BlobMetadata>& inputs, std::string_view prefix,
                      std::stop_token stop) {
  PlaintextStore plaintexts(c.scratch_directory, kInputsInMemoryMax);
  std::vector<IndexReader> readers;
  std::vector<const IndexReader*> pointers;
  readers.reserve(inputs.size());
  for (const BlobMetadata& b : inputs) {
    TRY_ASSIGN(IndexReader reader, read_index_blob(c, b.id, plaintexts, stop));
    readers.push_back(std::move(reader));
    pointers.push_back(&readers.back());
  }
  std::string suffix;
  std::set<BlobId> stored;
  std::int64_t done = 0;
  std::int64_t total = 0;
  MergedShards out;
  out.version = c.index_version;
  out.entries_max = c.shard_entries;
  out.begin = [&](std::size_t shard_count) -> Status {
    total = static_cast<std::int64_t>(shard_count);
    suffix = fmt::format("{}-c{}", set_id_of(c, inputs, prefix, shard_count), shard_count);
    return c.storage.list(
        prefix,
        [&](const BlobMetadata& b) {
          stored.insert(b.id);
          return Status();
        },
        stop);
  };
  out.shard = [&](Buffer plaintext) -> Status {
    TRY_ASSIGN(const auto sealed, c.crypto.seal_blob(prefix, suffix, plaintext.view()));
    if (!stored.contains(sealed.id)) {
      TRY(c.storage.put(sealed.id, sealed.data.view(), stop), "error writing index blob {}", sealed.id.text);
    }
    if (c.progress) {
      c.progress(++done, total);
    }
    return {};
  };
  return build_merged(pointers, out, stop);
}

}  // namespace

Result<IndexReader> read_index_blob(const EpochTaskContext& c, const BlobId& id, PlaintextStore& plaintexts,
                                    std::stop_token stop) {
  TRY_ASSIGN(Buffer stored, c.storage.get(id, {}, stop), "error loading index blob {}", id.text);
  TRY_ASSIGN(Buffer plaintext, c.crypto.open_blob(id, stored.view()), "index blob {}", id.text);
  stored = Buffer();
  auto reader = plaintexts.open(std::move(plaintext), static_cast<std::uint32_t>(c.crypto.encryptor().overhead()));
  TRY(reader, "index blob {}", id.text);
  return reader;
}

std::optional<Timestamp> cleanup_limit(const EpochState& state, const format::EpochParameters& parameters) {
  std::optional<Timestamp> newest;
  for (std::int64_t e = state.write_epoch - 1; e <= state.write_epoch + 1; ++e) {
    for (const BlobMetadata& b : uncompacted_of(state, e)) {
      newest = std::max(newest.value_or(b.timestamp), b.timestamp);
    }
  }
  if (newest) {
    *newest = *newest - parameters.cleanup_safety_margin;
  }
  return newest;
}

std::optional<std::int64_t> single_compaction_candidate(const EpochState& state) {
  for (const EpochState::Set& set : state.uncompacted) {
    if (set.min_epoch < end_of_ranges(state) || set.blobs.empty()) {
      continue;
    }
    if (!is_settled(set.min_epoch, state.write_epoch)) {
      break;
    }
    if (std::ranges::find(state.singles, set.min_epoch, &EpochState::Set::min_epoch) == state.singles.end()) {
      return set.min_epoch;
    }
  }
  return std::nullopt;
}

Result<AdvanceResult> advance_epoch(const EpochTaskContext& c, const EpochState& state, std::stop_token stop) {
  AdvanceResult result{state.write_epoch, false};
  if (!should_advance(uncompacted_of(state, state.write_epoch), c.parameters)) {
    return result;
  }
  const BlobId id(fmt::format("{}{}", kEpochMarkerPrefix, state.write_epoch + 1));
  TRY(put_marker(c.storage, id, "epoch-marker", stop), "error writing epoch marker");
  c.epochs.invalidate();
  return AdvanceResult{state.write_epoch + 1, true};
}

Result<std::optional<CompactedEpoch>> compact_single_epoch(const EpochTaskContext& c, const EpochState& state,
                                                           std::stop_token stop) {
  const auto epoch = single_compaction_candidate(state);
  if (!epoch) {
    return std::optional<CompactedEpoch>();
  }
  const std::vector<BlobMetadata>& inputs = uncompacted_of(state, *epoch);
  CompactedEpoch result{*epoch, static_cast<std::int64_t>(inputs.size()), 0};
  for (const BlobMetadata& b : inputs) {
    result.total_bytes += b.length;
  }
  TRY(publish_merged(c, inputs, fmt::format("{}{}_", kSinglePrefix, *epoch), stop), "error compacting epoch {}",
      *epoch);
  c.epochs.invalidate();
  return std::optional(result);
}

Result<std::optional<std::pair<std::int64_t, std::int64_t>>> compact_range(const EpochTaskContext& c,
                                                                           const EpochState& state,
                                                                           std::stop_token stop) {
  using Range = std::pair<std::int64_t, std::int64_t>;
  const std::int64_t first = end_of_ranges(state);
  const std::int64_t last = state.write_epoch - 2;
  // A range of one epoch would be skipped by other readers.
  if (last - first < std::max<std::int64_t>(c.parameters.full_checkpoint_frequency, 1)) {
    return std::optional<Range>();
  }
  // The union of what is there: nothing that any reader could see may be missing in the range.
  std::vector<BlobMetadata> inputs;
  for (const auto* sets : {&state.singles, &state.uncompacted}) {
    for (const EpochState::Set& set : *sets) {
      if (set.min_epoch >= first && set.min_epoch <= last) {
        inputs.insert(inputs.end(), set.blobs.begin(), set.blobs.end());
      }
    }
  }
  if (inputs.empty()) {
    return std::optional<Range>();
  }
  TRY(publish_merged(c, inputs, fmt::format("{}{}_{}_", kRangePrefix, first, last), stop),
      "error compacting epochs {} to {}", first, last);
  c.epochs.invalidate();
  return std::optional(Range(first, last));
}

Result<std::optional<CleanedMarkers>> clean_epoch_markers(const EpochTaskContext& c, const EpochState& state,
                                                          std::stop_token stop) {
  const auto limit = cleanup_limit(state, c.parameters);
  CleanedMarkers result;
  for (const BlobMetadata& b : state.markers) {
    const auto epoch = epoch_of(b.id.text);
    if (epoch && *epoch < state.write_epoch - 1) {
      TRY(c.storage.remove(b.id, stop), "error removing epoch marker {}", b.id.text);
      ++result.epoch_markers;
    }
  }
  for (const BlobMetadata& b : state.watermarks) {
    const auto time = watermark_of(b.id.text);
    if (limit && time && *time != state.deletion_watermark && b.timestamp < *limit) {
      TRY(c.storage.remove(b.id, stop), "error removing deletion watermark {}", b.id.text);
      ++result.watermarks;
    }
  }
  if (result.epoch_markers == 0 && result.watermarks == 0) {
    return std::optional<CleanedMarkers>();
  }
  c.epochs.invalidate();
  return std::optional(result);
}

Result<std::optional<CleanedIndexes>> delete_superseded_indexes(const EpochTaskContext& c, const EpochState& state,
                                                                std::stop_token stop) {
  const auto limit = cleanup_limit(state, c.parameters);
  if (!limit) {
    return std::optional<CleanedIndexes>();
  }
  CleanedIndexes result{*limit, 0, 0};
  for (const EpochState::Set& single : state.singles) {
    const bool settled = is_settled(single.min_epoch, state.write_epoch);
    const auto newest = std::ranges::max_element(single.blobs, {}, &BlobMetadata::timestamp);
    if (!settled || newest == single.blobs.end() || newest->timestamp >= *limit) {
      continue;
    }
    for (const BlobMetadata& b : uncompacted_of(state, single.min_epoch)) {
      // Written after the set was made: not in it.
      if (b.timestamp > newest->timestamp) {
        continue;
      }
      TRY(c.storage.remove(b.id, stop), "error removing index blob {}", b.id.text);
      ++result.blob_count;
      result.total_bytes += b.length;
    }
  }
  c.epochs.invalidate();
  return std::optional(result);
}

Result<std::int64_t> remove_incomplete_sets(const EpochTaskContext& c, const EpochState& state, std::stop_token stop) {
  const auto limit = cleanup_limit(state, c.parameters);
  std::int64_t removed = 0;
  for (const std::string_view prefix : {kSinglePrefix, kRangePrefix}) {
    TRY_ASSIGN(const std::vector<BlobMetadata> blobs, c.storage.list_all(prefix, stop), "error listing index blobs");
    for (const std::vector<BlobMetadata>& set : incomplete_sets(blobs)) {
      if (!limit || std::ranges::max(set, {}, &BlobMetadata::timestamp).timestamp >= *limit) {
        continue;
      }
      for (const BlobMetadata& b : set) {
        TRY(c.storage.remove(b.id, stop), "error removing index blob {}", b.id.text);
        ++removed;
      }
    }
  }
  if (removed > 0) {
    c.epochs.invalidate();
  }
  return removed;
}

Status write_deletion_watermark(const EpochTaskContext& c, const EpochState& state, Timestamp time,
                                std::stop_token stop) {
  const std::int64_t seconds = time.unix_seconds();
  if (!state.deletion_watermark.is_zero() && seconds <= state.deletion_watermark.unix_seconds()) {
    return {};
  }
  const BlobId id(fmt::format("{}{}", kWatermarkPrefix, seconds));
  TRY(put_marker(c.storage, id, "deletion-watermark", stop), "error writing deletion watermark");
  c.epochs.invalidate();
  return {};
}

}  // namespace cairn::index
