#include "content/committed_index.h"

#include <algorithm>
#include <bit>
#include <mutex>
#include <queue>

namespace cairn::content {
namespace {

constexpr std::uint64_t kEntryBits = 28;
constexpr std::uint64_t kReaderBits = 20;
constexpr std::uint64_t kEntryMask = (std::uint64_t{1} << kEntryBits) - 1;
constexpr std::uint64_t kReaderMask = (std::uint64_t{1} << kReaderBits) - 1;

std::uint64_t mix(std::uint64_t h) {
  h ^= h >> 32;
  h *= 0x9e3779b97f4a7c15ULL;
  return h ^ h >> 29;
}

std::uint64_t key_hash(ByteView key) {
  ContentId id;
  id.prefix = key[0];
  id.size = static_cast<std::uint8_t>(std::min<std::size_t>(key.size() - 1, kHashSizeMax));
  std::copy_n(key.data() + 1, id.size, id.hash.data());
  return mix(id.hash_code());
}

bool key_equals(ByteView key, const ContentId& id) {
  return key.size() == id.size + 1U && key[0] == id.prefix && std::memcmp(key.data() + 1, id.hash.data(), id.size) == 0;
}

bool key_equals(ByteView a, ByteView b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace

Status CommittedIndex::assign(std::map<BlobId, ReaderPtr> readers, const std::set<BlobId>& secondary,
                              Timestamp watermark) {
  const std::unique_lock lock(mutex_);
  by_id_ = std::move(readers);
  watermark_ = watermark;
  readers_.clear();
  table_.clear();
  used_ = 0;
  std::size_t total = 0;
  // Primary blobs first: of equal entries the one met first stays.
  for (const bool want_secondary : {false, true}) {
    secondary_begin_ = readers_.size();
    for (const auto& [id, reader] : by_id_) {
      if (secondary.contains(id) == want_secondary) {
        total += reader->size();
        readers_.push_back(reader);
      }
    }
  }
  secondary_end_ = readers_.size();
  grow(total);
  for (std::uint32_t i = 0; i < readers_.size(); ++i) {
    TRY(insert_all(i));
  }
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

void CommittedIndex::grow(std::size_t entries) {
  const std::size_t want = std::bit_ceil(std::max<std::size_t>(64, entries * 5 / 3 + 1));
  if (want <= table_.size()) {
    return;
  }
  std::vector<std::uint64_t> old(want, 0);
  old.swap(table_);
  for (const std::uint64_t slot : old) {
    if (slot == 0) {
      continue;
    }
    const std::uint64_t r = (slot >> kEntryBits & kReaderMask) - 1;
    std::size_t i = key_hash(readers_[r]->key_at(slot & kEntryMask)) & (table_.size() - 1);
    while (table_[i] != 0) {
      i = (i + 1) & (table_.size() - 1);
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
    const ByteView key = reader.key_at(k);
    const std::uint64_t h = key_hash(key);
    const std::uint64_t slot = (h >> 48) << 48 | static_cast<std::uint64_t>(number + 1) << kEntryBits | k;
    std::size_t i = h & (table_.size() - 1);
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
          if (index::beats(mine, theirs)) {
            at = slot;
          }
          break;
        }
      }
      i = (i + 1) & (table_.size() - 1);
    }
  }
  return {};
}

Result<std::optional<CommittedIndex::Found>> CommittedIndex::find(const ContentId& id) const {
  const std::uint64_t h = mix(id.hash_code());
  const std::shared_lock lock(mutex_);
  if (table_.empty()) {
    return std::optional<Found>();
  }
  for (std::size_t i = h & (table_.size() - 1); table_[i] != 0; i = (i + 1) & (table_.size() - 1)) {
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
    return std::optional<Found>(Found{std::move(e), reader, number >= secondary_begin_ && number < secondary_end_});
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
  // k-way merge by key; among equal keys the winner by beats().
  struct Cursor {
    std::size_t reader, position;
  };
  const auto key = [&](const Cursor& c) { return readers[c.reader]->key_at(c.position); };
  const auto later = [&](const Cursor& a, const Cursor& b) {
    const ByteView ka = key(a);
    const ByteView kb = key(b);
    const int c = std::memcmp(ka.data(), kb.data(), std::min(ka.size(), kb.size()));
    return c != 0 ? c > 0 : ka.size() > kb.size();
  };
  std::priority_queue<Cursor, std::vector<Cursor>, decltype(later)> heap(later);
  for (std::size_t r = 0; r < readers.size(); ++r) {
    if (readers[r]->size() > 0) {
      heap.push({r, 0});
    }
  }
  while (!heap.empty()) {
    std::optional<index::Entry> best;
    const ByteView group = key(heap.top());
    while (!heap.empty() && key_equals(key(heap.top()), group)) {
      const Cursor c = heap.top();
      heap.pop();
      TRY_ASSIGN(const index::Entry e, readers[c.reader]->at(c.position));
      if (!best || index::beats(e, *best)) {
        best = e;
      }
      if (c.position + 1 < readers[c.reader]->size()) {
        heap.push({c.reader, c.position + 1});
      }
    }
    if (!(best->deleted && Timestamp::from_seconds(best->timestamp_seconds) <= watermark)) {
      TRY(fn(*best));
    }
  }
  return {};
}

}  // namespace cairn::content
