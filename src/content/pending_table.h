// Entries written since the last index flush, in plain arrays: no heap object per entry.
#pragma once

#include <bit>
#include <cstdint>
#include <vector>

#include "base/ids.h"

namespace cairn::content {

enum class PendingState : std::uint8_t {
  encoding,   // a thread is compressing and sealing it
  ready,      // bytes stand in its pack (open, uploading or stored)
  forgotten,  // deleted again before it was indexed
  marker,     // deletion marker: refers to a pack that was stored long ago
};

struct PendingEntry {
  ContentId id;
  PendingState state = PendingState::encoding;
  bool deleted = false;
  std::uint8_t format_version = 0;
  std::uint32_t pack = 0;  // number in the manager's pack list; for markers in its list of foreign pack names
  std::uint32_t pack_offset = 0, packed_length = 0, original_length = 0;
  std::uint32_t compression = 0;
  std::int64_t timestamp_seconds = 0;
};

// Not thread-safe.
class PendingTable {
 public:
  static constexpr std::uint32_t kNone = ~std::uint32_t{0};

  // Position of the latest entry of `id`, or kNone.
  std::uint32_t find(const ContentId& id) const {
    if (slots_.empty()) {
      return kNone;
    }
    for (std::size_t i = place(id);; i = (i + 1) & (slots_.size() - 1)) {
      if (slots_[i] == 0) {
        return kNone;
      }
      if (entries_[slots_[i] - 1].id == id) {
        return slots_[i] - 1;
      }
    }
  }
  // Adds or, for an id that is there already, replaces; returns the position.
  std::uint32_t put(const PendingEntry& e) {
    const std::uint32_t old = find(e.id);
    if (old != kNone) {
      entries_[old] = e;
      return old;
    }
    entries_.push_back(e);
    if (entries_.size() * 2 > slots_.size()) {
      rehash();
    } else {
      insert(static_cast<std::uint32_t>(entries_.size()));
    }
    return static_cast<std::uint32_t>(entries_.size() - 1);
  }
  PendingEntry& operator[](std::uint32_t i) { return entries_[i]; }
  const PendingEntry& operator[](std::uint32_t i) const { return entries_[i]; }
  std::size_t size() const { return entries_.size(); }
  const std::vector<PendingEntry>& entries() const { return entries_; }
  void clear() {
    entries_.clear();
    slots_.assign(slots_.size(), 0);
  }

 private:
  std::size_t place(const ContentId& id) const {
    return (id.hash_code() * 0x9e3779b97f4a7c15ULL >> 20) & (slots_.size() - 1);
  }
  void insert(std::uint32_t number) {
    std::size_t i = place(entries_[number - 1].id);
    while (slots_[i] != 0) {
      i = (i + 1) & (slots_.size() - 1);
    }
    slots_[i] = number;
  }
  void rehash() {
    slots_.assign(std::bit_ceil(entries_.size() * 4 + 64), 0);
    for (std::uint32_t n = 1; n <= entries_.size(); ++n) {
      insert(n);
    }
  }
  std::vector<PendingEntry> entries_;
  std::vector<std::uint32_t> slots_;
};

}  // namespace cairn::content
