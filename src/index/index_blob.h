// Index blobs, formats 1 and 2: reading in place, building, merging. docs/format/index.md (kopia-format §8)
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "base/ids.h"
#include "sys/mapped.h"

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

// The deletion watermark (kopia-format §9.6): deleted entries up to it count as absent for everybody.
inline bool hidden_by_watermark(const Entry& e, std::int64_t watermark_seconds) {
  return e.deleted && e.timestamp_seconds <= watermark_seconds;
}

// Entries of one index blob above which it is split (kopia-format §8.4).
inline constexpr std::size_t kShardSizeMax = 16'000'000;
// Shard of a content among `shard_count`: FNV-1a (32 bits) of the text form.
std::uint32_t shard_number(const ContentId& id, std::uint32_t shard_count);

// An opened index: binary search in the plaintext it owns, in memory or in a mapped file. Immutable, thread-safe. What
// open() has accepted is in bounds, strictly ascending and, for format 2, has usable pack names.
class IndexReader {
 public:
  // v1 has no original length: it is packed length − `encryption_overhead`. Trailing bytes are ignored.
  // Errors: corrupt; unsupported (version).
  static Result<IndexReader> open(Buffer plaintext, std::uint32_t encryption_overhead);
  static Result<IndexReader> open(sys::MappedBytes plaintext, std::uint32_t encryption_overhead);
  std::size_t size() const { return count_; }
  int version() const { return version_; }
  std::size_t key_size() const { return key_size_; }  // 1 + hash length; 0 when empty
  // Entry `i` < size() in id order. Errors: corrupt (pack or format number out of range).
  Result<Entry> at(std::size_t i) const;
  // Key bytes (prefix byte, hash) of entry `i`; cheap.
  ByteView key_at(std::size_t i) const { return {data_.data() + entries_offset_ + i * stride_, key_size_}; }
  // Position of the entry, or −1. Errors: corrupt when the id's length differs from the index's.
  Result<std::ptrdiff_t> find(const ContentId& id) const;
  // First position whose key is ≥ id.
  std::size_t lower_bound(const ContentId& id) const;

 private:
  IndexReader() = default;
  Status parse(std::uint32_t encryption_overhead);
  Status open_v1();
  Status open_v2();
  Status check_keys() const;
  Status read_v1(const Byte* value, Entry& out) const;
  Status read_v2(const Byte* value, Entry& out) const;
  Buffer owned_;
  sys::MappedBytes mapped_;
  ByteView data_;  // of one of the two
  int version_ = 0;
  std::size_t count_ = 0, key_size_ = 0, stride_ = 0, entries_offset_ = 0;
  std::size_t packs_offset_ = 0, formats_offset_ = 0;
  std::uint32_t pack_count_ = 0, format_count_ = 0;
  std::int64_t base_timestamp_ = 0;
  std::uint32_t overhead_ = 0;
};

// Collects entries compactly (pack names and formats interned, about 55 bytes an entry), keeps the winner of each id.
// Not thread-safe.
class IndexBuilder {
 public:
  IndexBuilder();
  ~IndexBuilder();
  IndexBuilder(IndexBuilder&&) noexcept;
  IndexBuilder& operator=(IndexBuilder&&) noexcept;
  // The entry's fields are checked by build(), which needs to know the version.
  void add(const Entry& entry);
  std::size_t size() const;
  bool empty() const { return size() == 0; }
  void clear();
  // The winner so far; `pack` borrows from the builder until the next add(). Null when absent.
  std::optional<Entry> find(const ContentId& id) const;
  // Visits in id order (sorts). Errors: invalid_argument (mixed hash lengths), the callback's.
  Status for_each(const std::function<Status(const Entry&)>& fn) const;
  // One plaintext per shard (kopia-format §8.4), no random suffix; empty builder → none.
  // Errors: invalid_argument for a field over its limit, more than 255 formats, mixed hash lengths.
  Result<std::vector<Buffer>> build(int version, std::size_t shard_size_max = kShardSizeMax) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace cairn::index
