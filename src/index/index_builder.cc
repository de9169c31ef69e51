#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <string>
#include <string_view>
#include <unordered_map>

#include "index/index_blob.h"

namespace cairn::index {
namespace {

constexpr std::uint32_t kNone = 0xffffffffu;
constexpr std::uint32_t kDeletedBit = 0x80000000u;
constexpr std::uint32_t kLengthLimitV2 = 1u << 28;
constexpr std::uint32_t kOffsetLimitV2 = 1u << 30;
constexpr std::size_t kPackCountMax = 1u << 24;
constexpr std::size_t kFormatCountMax = 255;
constexpr std::size_t kNameLengthMax = 255;
constexpr std::uint32_t kOverheadV1 = 28;

struct Format {
  std::uint32_t compression = 0;
  std::uint8_t format_version = 0;
  std::uint8_t encryption_key_id = 0;
  bool operator==(const Format&) const = default;
};

// What is kept of an entry besides its key.
struct Record {
  std::int64_t timestamp_seconds;
  std::uint32_t pack;  // number of the interned name
  std::uint32_t pack_offset;
  std::uint32_t packed_length;
  std::uint32_t original_length;
  std::uint16_t format;
  bool deleted;
};

// Texts stored once, in chunks that never move, so that views of them stay good.
class NameTable {
 public:
  std::uint32_t intern(std::string_view name) {
    if (last_ != kNone && names_[last_] == name) {  // entries come pack by pack
      return last_;
    }
    if (const auto it = numbers_.find(name); it != numbers_.end()) {
      return last_ = it->second;
    }
    const std::string_view kept = store(name);
    last_ = static_cast<std::uint32_t>(names_.size());
    names_.push_back(kept);
    numbers_.emplace(kept, last_);
    return last_;
  }
  std::string_view operator[](std::uint32_t number) const { return names_[number]; }
  std::size_t size() const { return names_.size(); }

 private:
  static constexpr std::size_t kChunkSize = 16 << 10;
  std::string_view store(std::string_view name) {
    if (chunks_.empty() || chunks_.back().size() + name.size() > chunks_.back().capacity()) {
      chunks_.emplace_back();
      chunks_.back().reserve(std::max(kChunkSize, name.size()));
    }
    std::vector<char>& chunk = chunks_.back();
    const std::size_t at = chunk.size();
    chunk.insert(chunk.end(), name.begin(), name.end());
    return {chunk.data() + at, name.size()};
  }
  std::vector<std::vector<char>> chunks_;
  std::vector<std::string_view> names_;
  std::unordered_map<std::string_view, std::uint32_t> numbers_;
  std::uint32_t last_ = kNone;
};

// The tables of one shard: local numbers in order of first use.
struct ShardTables {
  std::vector<std::uint32_t> packs;       // local number → name number
  std::vector<std::uint32_t> pack_local;  // name number → local number or kNone
  std::vector<std::uint16_t> formats;
  std::vector<std::uint32_t> format_local;
};

}  // namespace

struct IndexBuilder::Impl {
  std::size_t key_size = 0;  // of the first entry
  bool mixed = false;        // an entry had another hash length
  bool too_many_formats = false;
  std::vector<Byte> keys;  // key_size bytes an entry
  std::vector<Record> records;
  std::vector<std::uint32_t> slots;  // open addressing over entry numbers; size is a power of two
  NameTable names;
  std::vector<Format> formats;

  const Byte* key(std::uint32_t i) const { return keys.data() + std::size_t{i} * key_size; }

  Entry entry(std::uint32_t i) const {
    Entry e;
    const Byte* k = key(i);
    e.id.prefix = k[0];
    e.id.size = static_cast<std::uint8_t>(key_size - 1);
    std::memcpy(e.id.hash.data(), k + 1, key_size - 1);
    const Record& r = records[i];
    const Format& f = formats[r.format];
    e.pack = names[r.pack];
    e.pack_offset = r.pack_offset;
    e.packed_length = r.packed_length;
    e.original_length = r.original_length;
    e.timestamp_seconds = r.timestamp_seconds;
    e.compression = f.compression;
    e.format_version = f.format_version;
    e.encryption_key_id = f.encryption_key_id;
    e.deleted = r.deleted;
    return e;
  }

  std::uint16_t intern_format(const Format& f) {
    for (std::size_t i = formats.size(); i-- > 0;) {
      if (formats[i] == f) {
        return static_cast<std::uint16_t>(i);
      }
    }
    // Far above what any version can store: the entries are kept apart only as far as an error message needs.
    if (formats.size() == 0xffff) {
      too_many_formats = true;
      return 0xfffe;
    }
    formats.push_back(f);
    return static_cast<std::uint16_t>(formats.size() - 1);
  }

  // Both ends of the hash take part: ids made by hand often differ in their last bytes only.
  static std::size_t hash_of(const ContentId& id) {
    std::uint64_t tail = 0;
    const std::size_t n = std::min<std::size_t>(id.size, sizeof tail);
    std::memcpy(&tail, id.hash.data() + id.size - n, n);
    std::uint64_t h = id.hash_code() + tail * 0xff51afd7ed558ccdULL;
    h = (h ^ h >> 32) * 0x9e3779b97f4a7c15ULL;
    return h ^ h >> 32;
  }

  // Slot of the id: occupied by it, or the free one where it belongs.
  std::size_t slot_of(const ContentId& id) const {
    const std::size_t mask = slots.size() - 1;
    std::size_t at = hash_of(id) & mask;
    while (slots[at] != kNone) {
      const Byte* k = key(slots[at]);
      if (k[0] == id.prefix && std::memcmp(k + 1, id.hash.data(), key_size - 1) == 0) {
        break;
      }
      at = (at + 1) & mask;
    }
    return at;
  }

  void grow() {
    const std::size_t size = std::max<std::size_t>(64, slots.size() * 2);
    slots.assign(size, kNone);
    for (std::uint32_t i = 0; i < records.size(); ++i) {
      slots[slot_of(entry(i).id)] = i;
    }
  }

  Record record_of(const Entry& e) {
    return {e.timestamp_seconds,
            names.intern(e.pack),
            e.pack_offset,
            e.packed_length,
            e.original_length,
            intern_format({e.compression, e.format_version, e.encryption_key_id}),
            e.deleted};
  }

  void add(const Entry& e) {
    if (records.empty()) {
      key_size = e.id.size + std::size_t{1};
    } else if (e.id.size + std::size_t{1} != key_size) {
      mixed = true;
      return;
    }
    if ((records.size() + 1) * 3 > slots.size() * 2) {
      grow();
    }
    const std::size_t at = slot_of(e.id);
    if (slots[at] == kNone) {
      slots[at] = static_cast<std::uint32_t>(records.size());
      keys.push_back(e.id.prefix);
      keys.insert(keys.end(), e.id.hash.begin(), e.id.hash.begin() + e.id.size);
      records.push_back(record_of(e));
    } else if (beats(e, entry(slots[at]))) {
      records[slots[at]] = record_of(e);
    }
  }

  std::vector<std::uint32_t> sorted() const {
    std::vector<std::uint32_t> order(records.size());
    std::iota(order.begin(), order.end(), 0);
    std::sort(order.begin(), order.end(),
              [this](std::uint32_t a, std::uint32_t b) { return std::memcmp(key(a), key(b), key_size) < 0; });
    return order;
  }

  Status check_uniform() const {
    if (mixed) {
      return error(Code::invalid_argument, "index entries have hashes of different lengths");
    }
    if (too_many_formats) {
      return error(Code::invalid_argument, "too many content formats in an index");
    }
    return {};
  }

  Status check_v1(const Entry& e) const;
  Status check_v2(const Entry& e) const;
  ShardTables tables(const std::vector<std::uint32_t>& order) const;
  Result<Buffer> build_v1(const std::vector<std::uint32_t>& order) const;
  Result<Buffer> build_v2(const std::vector<std::uint32_t>& order) const;
};

IndexBuilder::IndexBuilder() : impl_(std::make_unique<Impl>()) {}
IndexBuilder::~IndexBuilder() = default;
IndexBuilder::IndexBuilder(IndexBuilder&&) noexcept = default;
IndexBuilder& IndexBuilder::operator=(IndexBuilder&&) noexcept = default;

void IndexBuilder::add(const Entry& entry) { impl_->add(entry); }
std::size_t IndexBuilder::size() const { return impl_->records.size(); }
void IndexBuilder::clear() { impl_ = std::make_unique<Impl>(); }

std::optional<Entry> IndexBuilder::find(const ContentId& id) const {
  if (impl_->records.empty() || id.size + std::size_t{1} != impl_->key_size) {
    return std::nullopt;
  }
  const std::uint32_t i = impl_->slots[impl_->slot_of(id)];
  if (i == kNone) {
    return std::nullopt;
  }
  return impl_->entry(i);
}

Status IndexBuilder::for_each(const std::function<Status(const Entry&)>& fn) const {
  TRY(impl_->check_uniform());
  for (const std::uint32_t i : impl_->sorted()) {
    TRY(fn(impl_->entry(i)));
  }
  return {};
}

Result<std::vector<Buffer>> IndexBuilder::build(int version, std::size_t shard_size_max) const {
  std::vector<Buffer> out;
  if (version != 1 && version != 2) {
    return error(Code::invalid_argument, "unsupported index version {}", version);
  }
  TRY(impl_->check_uniform());
  if (empty()) {
    return out;
  }
  if (impl_->key_size < 2) {
    return error(Code::invalid_argument, "index entry without a hash");
  }
  shard_size_max = std::max<std::size_t>(shard_size_max, 1);
  const std::size_t shard_count = (size() - 1) / shard_size_max + 1;
  std::vector<std::vector<std::uint32_t>> shards(shard_count);
  if (shard_count == 1) {
    shards[0] = impl_->sorted();
  } else {
    for (const std::uint32_t i : impl_->sorted()) {
      shards[shard_number(impl_->entry(i).id, static_cast<std::uint32_t>(shard_count))].push_back(i);
    }
  }
  for (std::vector<std::uint32_t>& shard : shards) {
    if (shard.empty()) {
      continue;
    }
    TRY_ASSIGN(Buffer plaintext, version == 1 ? impl_->build_v1(shard) : impl_->build_v2(shard));
    out.push_back(std::move(plaintext));
    shard = {};
  }
  return out;
}

Status IndexBuilder::Impl::check_v1(const Entry& e) const {
  if (e.compression != 0 || e.encryption_key_id != 0) {
    return error(Code::invalid_argument, "index format 1 cannot record the compression of {}", e.id.text());
  }
  if (e.packed_length < kOverheadV1 || e.original_length != e.packed_length - kOverheadV1) {
    return error(Code::invalid_argument, "index format 1 cannot record the length {} of {}", e.original_length,
                 e.id.text());
  }
  if (e.pack_offset >= kDeletedBit) {
    return error(Code::invalid_argument, "pack offset {} of {} is too large", e.pack_offset, e.id.text());
  }
  if (e.timestamp_seconds < 0 || e.timestamp_seconds >= std::int64_t{1} << 48) {
    return error(Code::invalid_argument, "time {} of {} is out of range", e.timestamp_seconds, e.id.text());
  }
  if (e.pack.size() > kNameLengthMax) {
    return error(Code::invalid_argument, "pack name of {} is too long", e.id.text());
  }
  return {};
}

Status IndexBuilder::Impl::check_v2(const Entry& e) const {
  if (e.packed_length >= kLengthLimitV2) {
    return error(Code::invalid_argument, "packed length {} of {} is too large", e.packed_length, e.id.text());
  }
  if (e.original_length >= kLengthLimitV2) {
    return error(Code::invalid_argument, "original length {} of {} is too large", e.original_length, e.id.text());
  }
  if (e.pack_offset >= kOffsetLimitV2) {
    return error(Code::invalid_argument, "pack offset {} of {} is too large", e.pack_offset, e.id.text());
  }
  if (e.timestamp_seconds < 0 || e.timestamp_seconds >= std::int64_t{1} << 32) {
    return error(Code::invalid_argument, "time {} of {} is out of range", e.timestamp_seconds, e.id.text());
  }
  if (e.pack.size() > kNameLengthMax) {
    return error(Code::invalid_argument, "pack name of {} is too long", e.id.text());
  }
  return {};
}

ShardTables IndexBuilder::Impl::tables(const std::vector<std::uint32_t>& order) const {
  ShardTables t;
  t.pack_local.assign(names.size(), kNone);
  t.format_local.assign(formats.size(), kNone);
  for (const std::uint32_t i : order) {
    const Record& r = records[i];
    if (t.pack_local[r.pack] == kNone) {
      t.pack_local[r.pack] = static_cast<std::uint32_t>(t.packs.size());
      t.packs.push_back(r.pack);
    }
    if (t.format_local[r.format] == kNone) {
      t.format_local[r.format] = static_cast<std::uint32_t>(t.formats.size());
      t.formats.push_back(r.format);
    }
  }
  return t;
}

namespace {

// Offsets of the pack names when they are laid end to end from `start`; the last element is the end of the file.
Result<std::vector<std::uint32_t>> name_offsets(const NameTable& names, const std::vector<std::uint32_t>& packs,
                                                std::uint64_t start) {
  std::vector<std::uint32_t> offsets;
  offsets.reserve(packs.size() + 1);
  for (const std::uint32_t pack : packs) {
    offsets.push_back(static_cast<std::uint32_t>(start));
    start += names[pack].size();
  }
  if (start > 0xffffffffu) {
    return error(Code::invalid_argument, "index would be larger than 4 GiB");
  }
  offsets.push_back(static_cast<std::uint32_t>(start));
  return offsets;
}

void write_names(const NameTable& names, const std::vector<std::uint32_t>& packs, Byte* to) {
  for (const std::uint32_t pack : packs) {
    const std::string_view name = names[pack];
    std::copy(name.begin(), name.end(), to);
    to += name.size();
  }
}

}  // namespace

Result<Buffer> IndexBuilder::Impl::build_v1(const std::vector<std::uint32_t>& order) const {
  const ShardTables t = tables(order);
  const std::size_t stride = key_size + 20;
  TRY_ASSIGN(const auto offsets, name_offsets(names, t.packs, 8 + std::uint64_t{order.size()} * stride));
  Buffer out(offsets.back());
  Byte* p = out.data();
  p[0] = 1;
  p[1] = static_cast<Byte>(key_size);
  store_be16(p + 2, 20);
  store_be32(p + 4, static_cast<std::uint32_t>(order.size()));
  p += 8;
  for (const std::uint32_t i : order) {
    const Entry e = entry(i);
    TRY(check_v1(e));
    const std::uint32_t local = t.pack_local[records[i].pack];
    std::memcpy(p, key(i), key_size);
    Byte* v = p + key_size;
    store_be16(v, static_cast<std::uint32_t>(e.timestamp_seconds >> 32));
    store_be32(v + 2, static_cast<std::uint32_t>(e.timestamp_seconds));
    v[6] = e.format_version;
    v[7] = static_cast<Byte>(e.pack.size());
    store_be32(v + 8, offsets[local]);
    store_be32(v + 12, e.pack_offset | (e.deleted ? kDeletedBit : 0));
    store_be32(v + 16, e.packed_length);
    p += stride;
  }
  write_names(names, t.packs, p);
  return out;
}

Result<Buffer> IndexBuilder::Impl::build_v2(const std::vector<std::uint32_t>& order) const {
  const ShardTables t = tables(order);
  if (t.formats.size() > kFormatCountMax) {
    return error(Code::invalid_argument, "more than {} content formats in an index", kFormatCountMax);
  }
  if (t.packs.size() > kPackCountMax) {
    return error(Code::invalid_argument, "more than {} packs in an index", kPackCountMax);
  }
  bool long_lengths = false;
  for (const std::uint32_t i : order) {
    TRY(check_v2(entry(i)));
    long_lengths = long_lengths || std::max(records[i].packed_length, records[i].original_length) >= 1u << 24;
  }
  const std::size_t value_size = long_lengths ? 19 : t.packs.size() > 65536 ? 18 : t.formats.size() > 1 ? 17 : 16;
  const std::size_t stride = key_size + value_size;
  const std::uint64_t names_at = 17 + std::uint64_t{order.size()} * stride + t.packs.size() * 5 + t.formats.size() * 6;
  TRY_ASSIGN(const auto offsets, name_offsets(names, t.packs, names_at));
  Buffer out(offsets.back());
  Byte* p = out.data();
  p[0] = 2;
  p[1] = static_cast<Byte>(key_size);
  store_be16(p + 2, static_cast<std::uint32_t>(value_size));
  store_be32(p + 4, static_cast<std::uint32_t>(order.size()));
  store_be32(p + 8, static_cast<std::uint32_t>(t.packs.size()));
  p[12] = static_cast<Byte>(t.formats.size());
  store_be32(p + 13, 0);
  p += 17;
  for (const std::uint32_t i : order) {
    const Record& r = records[i];
    const std::uint32_t pack = t.pack_local[r.pack];
    std::memcpy(p, key(i), key_size);
    Byte v[19];
    store_be32(v, static_cast<std::uint32_t>(r.timestamp_seconds));
    store_be32(v + 4, r.pack_offset | (r.deleted ? kDeletedBit : 0));
    store_be24(v + 8, r.original_length & 0xffffff);
    store_be24(v + 11, r.packed_length & 0xffffff);
    store_be16(v + 14, pack & 0xffff);
    v[16] = static_cast<Byte>(t.format_local[r.format]);
    v[17] = static_cast<Byte>(pack >> 16);
    v[18] = static_cast<Byte>(r.original_length >> 24 << 4 | r.packed_length >> 24);
    std::memcpy(p + key_size, v, value_size);
    p += stride;
  }
  for (std::size_t n = 0; n < t.packs.size(); ++n, p += 5) {
    p[0] = static_cast<Byte>(names[t.packs[n]].size());
    store_be32(p + 1, offsets[n]);
  }
  for (const std::uint16_t n : t.formats) {
    const Format& f = formats[n];
    store_be32(p, f.compression);
    p[4] = f.format_version;
    p[5] = f.encryption_key_id;
    p += 6;
  }
  write_names(names, t.packs, p);
  return out;
}

}  // namespace cairn::index
