#include "content/committed_index.h"

#include <algorithm>
#include <bit>
#include <mutex>

#include "base/log.h"
#include "index/index_merge.h"

namespace cairn::content {
namespace {

constexpr std::uint64_t kEntryBits = 28;
constexpr std::uint64_t kReaderBits = 20;
constexpr std::uint64_t kEntryMask = (std::uint64_t{1} << kEntryBits) - 1;
constexpr std::uint64_t kReaderMask = (std::uint64_t{1} << kReaderBits) - 1;

// Slots of one region of the table; few enough to stay in the processor's cache while they are filled.
constexpr std::size_t kRegionSlots = std::size_t{1} << 16;
constexpr std::size_t kSlotsInMemoryMax = std::size_t{2} << 20;

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

}  // namespace

void SlotTable::reset(std::size_t slots, const std::string& directory) {
  slots_ = {};
  memory_ = {};
  mapped_ = {};
  if (slots > kSlotsInMemoryMax) {
    const auto on_disk = [&]() -> Result<sys::MappedBytes> {
      TRY_ASSIGN(sys::ScratchFile file, sys::ScratchFile::make(directory));
      return file.map_zeroed(slots * sizeof(std::uint64_t));
    };
    auto mapped = on_disk();
    if (mapped.ok()) {
      mapped_ = std::move(*mapped);
      slots_ = {reinterpret_cast<std::uint64_t*>(mapped_.mut().data()), slots};
      return;
    }
    log::warning("content", "the table of the index stays in memory: {}", mapped.status().message());
  }
  memory_.assign(slots, 0);
  slots_ = memory_;
}

Status CommittedIndex::assign(std::map<BlobId, ReaderPtr> readers, const std::set<BlobId>& secondary,
                              Timestamp watermark) {
  const std::unique_lock lock(mutex_);
  watermark_ = watermark;
  const bool none_gone =
      complete_ && std::ranges::all_of(by_id_, [&](const auto& known) { return readers.contains(known.first); });
  if (none_gone && by_id_.size() == readers.size() && secondary == secondary_) {
    return {};
  }
  if (!none_gone) {
    by_id_.clear();
    readers_.clear();
    table_.reset(0, scratch_directory_);
    used_ = 0;
  }
  complete_ = false;
  secondary_ = secondary;
  std::size_t total = used_;
  const std::size_t first_new = readers_.size();
  // Primary blobs first: of equal entries the one met first stays.
  for (const bool want_secondary : {false, true}) {
    for (const auto& [id, reader] : readers) {
      if (!by_id_.contains(id) && secondary.contains(id) == want_secondary) {
        total += reader->size();
        readers_.push_back(reader);
      }
    }
  }
  by_id_ = std::move(readers);
  std::set<const index::IndexReader*> passed_over;
  for (const BlobId& id : secondary) {
    if (const auto it = by_id_.find(id); it != by_id_.end()) {
      passed_over.insert(it->second.get());
    }
  }
  is_secondary_.clear();
  for (const ReaderPtr& r : readers_) {
    is_secondary_.push_back(passed_over.contains(r.get()));
  }
  grow(total);
  for (std::size_t i = first_new; i < readers_.size(); ++i) {
    TRY(insert_all(static_cast<std::uint32_t>(i)));
  }
  complete_ = true;
  return {};
}

Status CommittedIndex::add(const BlobId& id, ReaderPtr reader) {
  const std::unique_lock lock(mutex_);
  if (by_id_.contains(id)) {
    return {};
  }
  grow(used_ + reader->size());
  by_id_.emplace(id, reader);
  readers_.push_back(std::move(reader));
  is_secondary_.push_back(false);
  return insert_all(static_cast<std::uint32_t>(readers_.size() - 1));
}

std::map<BlobId, CommittedIndex::ReaderPtr> CommittedIndex::readers() const {
  const std::shared_lock lock(mutex_);
  return by_id_;
}

std::size_t CommittedIndex::entry_count() const {
  const std::shared_lock lock(mutex_);
  return used_;
}

std::size_t CommittedIndex::home_of(std::uint64_t order, std::uint64_t hash) const {
  if (table_.size() <= kRegionSlots) {
    return hash & (table_.size() - 1);
  }
  const std::size_t regions = table_.size() / kRegionSlots;
  return (order * regions >> 32) * kRegionSlots + (hash & (kRegionSlots - 1));
}

void CommittedIndex::grow(std::size_t entries) {
  if (entries * 3 / 2 <= table_.size() && table_.size() != 0) {
    return;
  }
  // With room for what this process will add, so that a large table is not built twice.
  std::size_t want = std::max<std::size_t>(64, entries * 7 / 4);
  want = want <= kRegionSlots ? std::bit_ceil(want) : (want / kRegionSlots + 1) * kRegionSlots;
  SlotTable old = std::move(table_);
  table_ = SlotTable();
  table_.reset(want, scratch_directory_);
  for (std::size_t n = 0; n < old.size(); ++n) {
    const std::uint64_t slot = old[n];
    if (slot == 0) {
      continue;
    }
    sys::mapped_touched();
    const ContentId id = id_of_key(readers_[(slot >> kEntryBits & kReaderMask) - 1]->key_at(slot & kEntryMask));
    std::size_t i = home_of(order_of(id), hash_of(id));
    while (table_[i] != 0) {
      i = after(i);
    }
    table_[i] = slot;
  }
}

index::Entry CommittedIndex::entry_of(std::uint64_t slot, Status& status) const {
  auto e = readers_[(slot >> kEntryBits & kReaderMask) - 1]->at(slot & kEntryMask);
  if (!e.ok()) {
    status = std::move(e).status();
    return {};
  }
  return *e;
}

Status CommittedIndex::insert_all(std::uint32_t number) {
  const index::IndexReader& reader = *readers_[number];
  if (number + 1 > kReaderMask || reader.size() > kEntryMask) {
    return error(Code::resource_exhausted, "too many index blobs or entries");
  }
  Status status;
  for (std::size_t k = 0; k < reader.size(); ++k) {
    sys::mapped_touched();
    const ByteView key = reader.key_at(k);
    const ContentId id = id_of_key(key);
    const std::uint64_t h = hash_of(id);
    const std::uint64_t slot = (h >> 48) << 48 | static_cast<std::uint64_t>(number + 1) << kEntryBits | k;
    std::size_t i = home_of(order_of(id), h);
    while (true) {
      std::uint64_t& at = table_[i];
      if (at == 0) {
        at = slot;
        ++used_;
        break;
      }
      if (at >> 48 == slot >> 48) {
        const auto& other = *readers_[(at >> kEntryBits & kReaderMask) - 1];
        if (key_equals(other.key_at(at & kEntryMask), key)) {
          const index::Entry mine = entry_of(slot, status);
          const index::Entry theirs = entry_of(at, status);
          TRY(status);
          // A blob that was compacted meanwhile gives way to the one that has taken its place.
          const bool replaces = is_secondary_[(at >> kEntryBits & kReaderMask) - 1] && !is_secondary_[number] &&
                                !index::beats(theirs, mine);
          if (replaces || index::beats(mine, theirs)) {
            at = slot;
          }
          break;
        }
      }
      i = after(i);
    }
  }
  return {};
}

Result<std::optional<CommittedIndex::Found>> CommittedIndex::find(const ContentId& id) const {
  const std::uint64_t h = hash_of(id);
  const std::shared_lock lock(mutex_);
  if (table_.size() == 0) {
    return std::optional<Found>();
  }
  sys::mapped_touched();
  for (std::size_t i = home_of(order_of(id), h); table_[i] != 0; i = after(i)) {
    if (table_[i] >> 48 != h >> 48) {
      continue;
    }
    const auto& reader = readers_[(table_[i] >> kEntryBits & kReaderMask) - 1];
    if (!key_equals(reader->key_at(table_[i] & kEntryMask), id)) {
      continue;
    }
    TRY_ASSIGN(index::Entry e, reader->at(table_[i] & kEntryMask));
    if (hidden(e)) {
      return std::optional<Found>();
    }
    const std::size_t number = (table_[i] >> kEntryBits & kReaderMask) - 1;
    return std::optional<Found>(Found{std::move(e), reader, is_secondary_[number]});
  }
  return std::optional<Found>();
}

Status CommittedIndex::for_each(const std::function<Status(const index::Entry&)>& fn) const {
  std::vector<ReaderPtr> readers;
  Timestamp watermark;
  {
    const std::shared_lock lock(mutex_);
    readers = readers_;
    watermark = watermark_;
  }
  std::vector<const index::IndexReader*> plain;
  plain.reserve(readers.size());
  for (const ReaderPtr& r : readers) {
    plain.push_back(r.get());
  }
  return index::merge_readers(plain, [&](const index::Entry& e) -> Status {
    const bool hidden = e.deleted && Timestamp::from_seconds(e.timestamp_seconds) <= watermark;
    return hidden ? Status() : fn(e);
  });
}

}  // namespace cairn::content
