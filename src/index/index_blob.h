// Index blobs, formats 1 and 2: reading in place, building, merging. docs/format/index.md (kopia-format §8)
#pragma once

#include <memory>
#include <vector>

#include "base/ids.h"
#include "base/time.h"

namespace cairn::index {

// One content's location. `pack` borrows from the index (or the builder's table) it came from.
struct Entry {
  ContentId id;
  std::string_view pack;
  std::uint32_t pack_offset = 0;
  std::uint32_t packed_length = 0;
  std::uint32_t original_length = 0;
  std::int64_t timestamp_seconds = 0;
  std::uint32_t compression = 0;  // header id, 0 = none
  std::uint8_t format_version = 0;
  std::uint8_t encryption_key_id = 0;
  bool deleted = false;
};

// kopia-format §8.5: does a win over b (same id)?
bool beats(const Entry& a, const Entry& b);

// An opened index: binary search in the plaintext it owns. Immutable, thread-safe.
class IndexReader {
 public:
  // v1 has no original length: it is packed length − `encryption_overhead`. Trailing bytes are ignored.
  // Errors: corrupt; unsupported (version).
  static Result<IndexReader> open(Buffer plaintext, std::uint32_t encryption_overhead);
  std::size_t size() const { return count_; }
  std::size_t key_size() const { return key_size_; }  // 1 + hash length; 0 when empty
  std::size_t memory_bytes() const { return data_.size(); }
  // Entry `i` in id order. Errors: corrupt (pack or format number out of range).
  Result<Entry> at(std::size_t i) const;
  // Key bytes (prefix byte, hash) of entry `i`; cheap.
  ByteView key_at(std::size_t i) const { return {data_.data() + entries_offset_ + i * stride_, key_size_}; }
  // Position of the entry, or −1. Errors: corrupt when the id's length differs from the index's.
  Result<std::ptrdiff_t> find(const ContentId& id) const;
  // First position whose key is ≥ id.
  std::size_t lower_bound(const ContentId& id) const;

 private:
  Buffer data_;
  int version_ = 0;
  std::size_t count_ = 0, key_size_ = 0, stride_ = 0, entries_offset_ = 0;
  std::size_t packs_offset_ = 0, formats_offset_ = 0;
  std::uint32_t pack_count_ = 0, format_count_ = 0;
  std::int64_t base_timestamp_ = 0;
  std::uint32_t overhead_ = 0;
};

// Collects entries compactly (pack names interned), keeps the winner of each id. Not thread-safe.
class IndexBuilder {
 public:
  IndexBuilder();
  ~IndexBuilder();
  IndexBuilder(IndexBuilder&&) noexcept;
  IndexBuilder& operator=(IndexBuilder&&) noexcept;
  void add(const Entry& entry);
  std::size_t size() const;
  void clear();
  // Visits in id order (sorts).
  Status for_each(const std::function<Status(const Entry&)>& fn);
  // One plaintext per shard (kopia-format §8.4), no random suffix; empty builder → none.
  // Errors: invalid_argument for a field over its limit, more than 255 formats, mixed hash lengths.
  Result<std::vector<Buffer>> build(int version, std::size_t shard_size_max = 16'000'000);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace cairn::index
