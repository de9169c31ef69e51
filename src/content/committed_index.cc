#include "content/committed_index.h"

#include <algorithm>
#include <ranges>

#include "base/log.h"
#include "base/task_group.h"
#include "index/index_merge.h"

namespace cairn::content {
namespace {

constexpr std::uint64_t kEntryBits = 28;
constexpr std::uint64_t kReaderBits = 20;
constexpr std::uint64_t kEntryMask = (std::uint64_t{1} << kEntryBits) - 1;
constexpr std::uint64_t kReaderMask = (std::uint64_t{1} << kReaderBits) - 1;

// Few enough to stay in the processor's cache while a region is filled, and to be built for one lookup.
constexpr std::size_t kRegionEntries = std::size_t{1} << 15;
constexpr std::size_t kSlotsInMemoryMax = std::size_t{2} << 20;
constexpr unsigned kBuildThreads = 4;

std::uint64_t mix(std::uint64_t h) {
  h ^= h >> 32;
  h *= 0x9e3779b97f4a7c15ULL;
  return h ^ h >> 29;
}

ContentId id_of_key(ByteView key) {
  ContentId id;
  id.prefix = key[0];
  id.size = static_cast<std::uint8_t>(std::min<std::size_t>(key.size() - 1, kHashSizeMax));
  std::copy_n(key.data() + 1, id.size, id.hash.data());
  return id;
}

std::uint64_t hash_of(const ContentId& id) { return mix(id.hash_code()); }
// Ascending with the id among ids of one prefix.
std::uint64_t order_of(const ContentId& id) { return load_be32(id.hash.data()); }

bool key_equals(ByteView key, const ContentId& id) {
  return key.size() == id.size + 1U && key[0] == id.prefix && std::memcmp(key.data() + 1, id.hash.data(), id.size) == 0;
}

bool key_equals(ByteView a, ByteView b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size()) == 0;
}

// First position of [begin, end) whose id is not `before`.
template <class Before>
std::size_t partition(const index::IndexReader& reader, std::size_t begin, std::size_t end, const Before& before) {
  const auto positions = std::views::iota(begin, end);
  return begin +
         static_cast<std::size_t>(std::ranges::partition_point(
                                      positions, [&](std::size_t i) { return before(id_of_key(reader.key_at(i))); }) -
                                  positions.begin());
}

std::size_t slot_reader(std::uint64_t slot) { return (slot >> kEntryBits & kReaderMask) - 1; }
std::size_t slot_entry(std::uint64_t slot) { return slot & kEntryMask; }
std::uint64_t slot_tag(std::uint64_t slot) { return slot >> 48; }

}  // namespace

void SlotTable::use_memory(std::size_t slots) {
  mapped_ = {};
  memory_.assign(slots, 0);
  slots_ = memory_;
}

Status SlotTable::use_disk(std::size_t slots, const std::string& directory) {
  clear();
  TRY_ASSIGN(sys::ScratchFile file, sys::ScratchFile::make(directory));
  TRY_ASSIGN(mapped_, file.map_zeroed(slots * sizeof(std::uint64_t)));
  slots_ = {reinterpret_cast<std::uint64_t*>(mapped_.mut().data()), slots};
  return {};
}

void SlotTable::clear() {
  slots_ = {};
  memory_ = {};
  mapped_ = {};
}

void CommittedIndex::append(ReaderPtr reader, bool secondary) {
  Known known{std::move(reader), secondary, {}};
  const index::IndexReader& r = *known.reader;
  for (std::size_t at = 0; at < r.size();) {
    const Byte prefix = r.key_at(at)[0];
    const std::size_t end = partition(r, at, r.size(), [&](const ContentId& id) { return id.prefix <= prefix; });
    known.stretches.push_back({at, end});
    at = end;
  }
  entries_ += r.size();
  known_.push_back(std::move(known));
}

bool CommittedIndex::too_many() const {
  return known_.size() > kReaderMask - 1 ||
         std::ranges::any_of(known_, [](const Known& k) { return k.reader->size() > kEntryMask; });
}

Status CommittedIndex::assign(std::map<BlobId, ReaderPtr> readers, const std::set<BlobId>& secondary,
                              Timestamp watermark) {
  const std::unique_lock lock(mutex_);
  watermark_ = watermark;
  const bool none_gone = std::ranges::all_of(by_id_, [&](const auto& known) { return readers.contains(known.first); });
  if (none_gone && by_id_.size() == readers.size() && secondary == secondary_) {
    return {};
  }
  if (!none_gone) {
    by_id_.clear();
    known_.clear();
    entries_ = 0;
    forget_regions();
  }
  secondary_ = secondary;
  std::set<const index::IndexReader*> passed_over;
  for (const BlobId& id : secondary) {
    if (const auto it = readers.find(id); it != readers.end()) {
      passed_over.insert(it->second.get());
    }
  }
  for (Known& known : known_) {
    known.secondary = passed_over.contains(known.reader.get());
  }
  const std::size_t first_new = known_.size();
  // Primary blobs first: of equal entries the one met first stays.
  for (const bool want_secondary : {false, true}) {
    for (const auto& [id, reader] : readers) {
      if (!by_id_.contains(id) && secondary.contains(id) == want_secondary) {
        append(reader, want_secondary);
      }
    }
  }
  by_id_ = std::move(readers);
  settle(first_new);
  return too_many() ? error(Code::resource_exhausted, "too many index blobs or entries") : Status();
}

Status CommittedIndex::add(const BlobId& id, ReaderPtr reader) {
  const std::unique_lock lock(mutex_);
  if (by_id_.contains(id)) {
    return {};
  }
  by_id_.emplace(id, reader);
  append(std::move(reader), false);
  settle(known_.size() - 1);
  return too_many() ? error(Code::resource_exhausted, "too many index blobs or entries") : Status();
}

std::map<BlobId, CommittedIndex::ReaderPtr> CommittedIndex::readers() const {
  const std::shared_lock lock(mutex_);
  return by_id_;
}

std::size_t CommittedIndex::entry_count() const {
  const std::shared_lock lock(mutex_);
  const Status built =
      parallel_for(region_count_, kBuildThreads, {}, [&](std::size_t n, const std::stop_token&) { return build(n); });
  if (!built.ok()) {
    log::warning("content", "contents cannot be counted: {}", built.message());
    return entries_;
  }
  std::size_t sum = 0;
  for (std::size_t n = 0; n < region_count_; ++n) {
    sum += regions_[n].used;
  }
  return sum;
}

std::size_t CommittedIndex::region_of(const ContentId& id) const { return order_of(id) * region_count_ >> 32; }

const CommittedIndex::Known& CommittedIndex::known_of(std::uint64_t slot) const { return known_[slot_reader(slot)]; }

void CommittedIndex::forget_regions() {
  regions_.reset();
  region_count_ = 0;
  slots_in_memory_ = 0;
}

// Enters the readers from `first_new` on where regions stand; all other regions are built when they are needed.
void CommittedIndex::settle(std::size_t first_new) {
  if (entries_ > region_count_ * kRegionEntries * 2) {
    forget_regions();
    region_count_ = entries_ / kRegionEntries + 1;
    regions_ = std::make_unique<Region[]>(region_count_);
    return;
  }
  for (std::size_t n = 0; n < region_count_; ++n) {
    Region& region = regions_[n];
    for (std::size_t i = first_new; i < known_.size() && region.built; ++i) {
      for (const Stretch& s : in_region(known_[i], n)) {
        const bool fits = (region.used + s.end - s.begin) * 3 / 2 < region.slots.size();
        if (!fits || !insert(region, i, s).ok()) {
          drop(region);
          break;
        }
      }
    }
  }
}

// A region that was dropped is built anew by the next lookup, which also tells what is wrong.
void CommittedIndex::drop(Region& region) const {
  slots_in_memory_ -= region.slots.in_memory() ? region.slots.size() : 0;
  region.built = false;
  region.slots.clear();
  region.used = 0;
}

std::vector<CommittedIndex::Stretch> CommittedIndex::in_region(const Known& known, std::size_t region) const {
  std::vector<Stretch> out;
  for (const Stretch& s : known.stretches) {
    const std::size_t begin =
        partition(*known.reader, s.begin, s.end, [&](const ContentId& id) { return region_of(id) < region; });
    const std::size_t end =
        partition(*known.reader, begin, s.end, [&](const ContentId& id) { return region_of(id) <= region; });
    if (begin != end) {
      out.push_back({begin, end});
    }
  }
  return out;
}

Status CommittedIndex::build(std::size_t number) const {
  Region& region = regions_[number];
  const std::lock_guard lock(region.mutex);
  if (region.built) {
    return {};
  }
  std::vector<std::pair<std::size_t, Stretch>> all;
  std::size_t entries = 0;
  for (std::size_t i = 0; i < known_.size(); ++i) {
    for (const Stretch& s : in_region(known_[i], number)) {
      all.emplace_back(i, s);
      entries += s.end - s.begin;
    }
  }
  make_slots(region, entries);
  for (const auto& [i, stretch] : all) {
    if (Status s = insert(region, i, stretch); !s.ok()) {
      drop(region);
      return s;
    }
  }
  region.built = true;
  return {};
}

void CommittedIndex::make_slots(Region& region, std::size_t entries) const {
  // With room for what this process will add.
  const std::size_t slots = entries * 7 / 4 + 64;
  const bool in_memory = slots_in_memory_.fetch_add(slots) + slots <= kSlotsInMemoryMax;
  if (!in_memory) {
    slots_in_memory_ -= slots;
    const Status s = region.slots.use_disk(slots, scratch_directory_);
    if (s.ok()) {
      return;
    }
    log::warning("content", "a part of the index's table stays in memory: {}", s.message());
    slots_in_memory_ += slots;
  }
  region.slots.use_memory(slots);
}

Status CommittedIndex::insert(Region& region, std::size_t number, Stretch stretch) const {
  const Known& mine = known_[number];
  SlotTable& slots = region.slots;
  for (std::size_t k = stretch.begin; k < stretch.end; ++k) {
    sys::mapped_touched();
    const ByteView key = mine.reader->key_at(k);
    const std::uint64_t h = hash_of(id_of_key(key));
    const std::uint64_t slot = (h >> 48) << 48 | static_cast<std::uint64_t>(number + 1) << kEntryBits | k;
    for (std::size_t i = home_of(slots, h);; i = after(slots, i)) {
      const std::uint64_t at = slots[i];
      if (at == 0) {
        slots[i] = slot;
        ++region.used;
        break;
      }
      if (slot_tag(at) != slot_tag(slot)) {
        continue;
      }
      const Known& theirs = known_of(at);
      if (!key_equals(theirs.reader->key_at(slot_entry(at)), key)) {
        continue;
      }
      TRY_ASSIGN(const index::Entry old_entry, theirs.reader->at(slot_entry(at)));
      TRY_ASSIGN(const index::Entry new_entry, mine.reader->at(k));
      // A blob that was compacted meanwhile gives way to the one that has taken its place.
      const bool replaces = theirs.secondary && !mine.secondary && !index::beats(old_entry, new_entry);
      if (replaces || index::beats(new_entry, old_entry)) {
        slots[i] = slot;
      }
      break;
    }
  }
  return {};
}

Result<std::optional<CommittedIndex::Found>> CommittedIndex::find(const ContentId& id) const {
  const std::shared_lock lock(mutex_);
  if (region_count_ == 0) {
    return std::optional<Found>();
  }
  const std::size_t number = region_of(id);
  const Region& region = regions_[number];
  if (!region.built) {
    TRY(build(number));
  }
  sys::mapped_touched();
  const std::uint64_t h = hash_of(id);
  const SlotTable& slots = region.slots;
  for (std::size_t i = home_of(slots, h); slots[i] != 0; i = after(slots, i)) {
    if (slot_tag(slots[i]) != h >> 48) {
      continue;
    }
    const Known& known = known_of(slots[i]);
    const std::size_t k = slot_entry(slots[i]);
    if (!key_equals(known.reader->key_at(k), id)) {
      continue;
    }
    TRY_ASSIGN(index::Entry e, known.reader->at(k));
    if (hidden(e)) {
      return std::optional<Found>();
    }
    return std::optional<Found>(Found{std::move(e), known.reader, known.secondary});
  }
  return std::optional<Found>();
}

Status CommittedIndex::for_each(std::string_view first, std::string_view last,
                                const std::function<Status(const index::Entry&)>& fn) const {
  std::vector<ReaderPtr> readers;
  Timestamp watermark;
  {
    const std::shared_lock lock(mutex_);
    for (const Known& known : known_) {
      readers.push_back(known.reader);
    }
    watermark = watermark_;
  }
  std::vector<index::ReaderRange> ranges;
  ranges.reserve(readers.size());
  for (const ReaderPtr& r : readers) {
    // Ids and their texts have one order.
    const std::size_t begin =
        first.empty() ? 0 : partition(*r, 0, r->size(), [&](const ContentId& id) { return id.text() < first; });
    const std::size_t end =
        last.empty() ? r->size()
                     : partition(*r, begin, r->size(), [&](const ContentId& id) { return id.text() < last; });
    ranges.push_back({r.get(), begin, end});
  }
  return index::merge_ranges(ranges, [&](const index::Entry& e) -> Status {
    const bool hidden = e.deleted && Timestamp::from_seconds(e.timestamp_seconds) <= watermark;
    return hidden ? Status() : fn(e);
  });
}

}  // namespace cairn::content
