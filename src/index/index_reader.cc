#include <algorithm>

#include "index/index_blob.h"

namespace cairn::index {
namespace {

constexpr std::size_t kHeaderSizeV1 = 8;
constexpr std::size_t kHeaderSizeV2 = 17;
constexpr std::size_t kValueSizeV1 = 20;
constexpr std::size_t kValueSizeMinV2 = 16;
constexpr std::size_t kValueSizeMaxV2 = 19;
constexpr std::size_t kPackSlotSize = 5;
constexpr std::size_t kFormatSlotSize = 6;
constexpr std::size_t kKeySizeMax = 1 + kHashSizeMax;
constexpr std::int64_t kSecondsMax = 9'000'000'000;  // what nanoseconds in 64 bits can hold
// Kopia writes this key size into an index without entries.
constexpr std::size_t kKeySizeEmptyV1 = 255;
constexpr std::uint32_t kDeletedBit = 0x80000000u;

// Pack names become blob names, so what no blob name may hold is refused here.
bool usable_pack_name(std::string_view name) {
  return std::all_of(name.begin(), name.end(), [](char c) { return c > 0x20 && c < 0x7f && c != '/'; });
}

int compare_key(ByteView key, const ContentId& id) {
  if (key[0] != id.prefix) {
    return key[0] < id.prefix ? -1 : 1;
  }
  const std::size_t n = std::min<std::size_t>(key.size() - 1, id.size);
  const int c = std::memcmp(key.data() + 1, id.hash.data(), n);
  if (c != 0) {
    return c;
  }
  return key.size() - 1 == id.size ? 0 : key.size() - 1 < id.size ? -1 : 1;
}

Status truncated(std::string_view part) { return error(Code::corrupt, "index is cut off in its {}", part); }

}  // namespace

bool beats(const Entry& a, const Entry& b) {
  if (a.timestamp_seconds != b.timestamp_seconds) {
    return a.timestamp_seconds > b.timestamp_seconds;
  }
  if (a.deleted != b.deleted) {
    return !a.deleted;
  }
  return a.pack > b.pack;
}

std::uint32_t shard_number(const ContentId& id, std::uint32_t shard_count) {
  std::uint32_t h = 2166136261u;
  const auto mix = [&h](Byte b) { h = (h ^ b) * 16777619u; };
  static constexpr char kDigits[] = "0123456789abcdef";
  if (id.prefix != 0) {
    mix(id.prefix);
  }
  for (const Byte b : id.hash_view()) {
    mix(static_cast<Byte>(kDigits[b >> 4]));
    mix(static_cast<Byte>(kDigits[b & 15]));
  }
  return h % shard_count;
}

Result<IndexReader> IndexReader::open(Buffer plaintext, std::uint32_t encryption_overhead) {
  IndexReader r;
  r.owned_ = std::move(plaintext);
  r.data_ = r.owned_.view();
  TRY(r.parse(encryption_overhead));
  return r;
}

Result<IndexReader> IndexReader::open(sys::MappedBytes plaintext, std::uint32_t encryption_overhead) {
  IndexReader r;
  r.mapped_ = std::move(plaintext);
  r.data_ = r.mapped_.view();
  TRY(r.parse(encryption_overhead));
  return r;
}

Status IndexReader::parse(std::uint32_t encryption_overhead) {
  overhead_ = encryption_overhead;
  if (data_.empty()) {
    return error(Code::corrupt, "index is empty");
  }
  version_ = data_[0];
  switch (version_) {
    case 1:
      TRY(open_v1());
      break;
    case 2:
      TRY(open_v2());
      break;
    default:
      return error(Code::unsupported, "unsupported index version {}", version_);
  }
  if (count_ == 0) {
    key_size_ = 0;
    stride_ = 0;
    return {};
  }
  return check_keys();
}

Status IndexReader::open_v1() {
  if (data_.size() < kHeaderSizeV1) {
    return truncated("header");
  }
  key_size_ = data_[1];
  count_ = load_be32(data_.data() + 4);
  if (load_be16(data_.data() + 2) != kValueSizeV1) {
    return error(Code::corrupt, "invalid value size {} in index", load_be16(data_.data() + 2));
  }
  if (key_size_ <= 1 || (key_size_ > kKeySizeMax && !(count_ == 0 && key_size_ == kKeySizeEmptyV1))) {
    return error(Code::corrupt, "invalid key size {} in index", key_size_);
  }
  entries_offset_ = kHeaderSizeV1;
  stride_ = key_size_ + kValueSizeV1;
  if (static_cast<std::uint64_t>(count_) * stride_ > data_.size() - entries_offset_) {
    return truncated("entries");
  }
  return {};
}

Status IndexReader::open_v2() {
  if (data_.size() < kHeaderSizeV2) {
    return truncated("header");
  }
  const Byte* h = data_.data();
  key_size_ = h[1];
  const std::size_t value_size = load_be16(h + 2);
  count_ = load_be32(h + 4);
  pack_count_ = load_be32(h + 8);
  format_count_ = h[12];
  base_timestamp_ = load_be32(h + 13);
  if (key_size_ <= 1 || key_size_ > kKeySizeMax) {
    return error(Code::corrupt, "invalid key size {} in index", key_size_);
  }
  if (value_size < kValueSizeMinV2 || value_size > kValueSizeMaxV2) {
    return error(Code::corrupt, "invalid entry size {} in index", value_size);
  }
  stride_ = key_size_ + value_size;
  entries_offset_ = kHeaderSizeV2;
  // Counts are 32 bits and sizes below 256, so 64-bit sums cannot overflow.
  const std::uint64_t packs = entries_offset_ + static_cast<std::uint64_t>(count_) * stride_;
  const std::uint64_t formats = packs + static_cast<std::uint64_t>(pack_count_) * kPackSlotSize;
  const std::uint64_t extra = formats + static_cast<std::uint64_t>(format_count_) * kFormatSlotSize;
  if (extra > data_.size()) {
    return truncated("tables");
  }
  packs_offset_ = packs;
  formats_offset_ = formats;
  for (std::size_t i = 0; i < pack_count_; ++i) {
    const Byte* slot = data_.data() + packs_offset_ + i * kPackSlotSize;
    const std::size_t length = slot[0];
    const std::size_t offset = load_be32(slot + 1);
    if (length > 0 && (offset > data_.size() || length > data_.size() - offset)) {
      return error(Code::corrupt, "pack name {} lies outside the index", i);
    }
    if (length > 0 && !usable_pack_name({reinterpret_cast<const char*>(data_.data()) + offset, length})) {
      return error(Code::corrupt, "pack name {} in index is not a blob name", i);
    }
  }
  return {};
}

Status IndexReader::check_keys() const {
  for (std::size_t i = 1; i < count_; ++i) {
    sys::mapped_touched();
    if (std::memcmp(key_at(i - 1).data(), key_at(i).data(), key_size_) >= 0) {
      return error(Code::corrupt, "index entries {} and {} are out of order", i - 1, i);
    }
  }
  return {};
}

Result<Entry> IndexReader::at(std::size_t i) const {
  CHECK(i < count_);
  const ByteView key = key_at(i);
  Entry e;
  e.id.prefix = key[0];
  e.id.size = static_cast<std::uint8_t>(key_size_ - 1);
  std::memcpy(e.id.hash.data(), key.data() + 1, key_size_ - 1);
  const Byte* value = key.data() + key_size_;
  TRY(version_ == 1 ? read_v1(value, e) : read_v2(value, e));
  return e;
}

Status IndexReader::read_v1(const Byte* v, Entry& e) const {
  e.timestamp_seconds = static_cast<std::int64_t>(load_be64(v) >> 16);
  if (e.timestamp_seconds > kSecondsMax) {
    return error(Code::corrupt, "index entry has an impossible time");
  }
  e.format_version = v[6];
  const std::size_t name_length = v[7];
  const std::size_t name_offset = load_be32(v + 8);
  const std::uint32_t position = load_be32(v + 12);
  e.deleted = (position & kDeletedBit) != 0;
  e.pack_offset = position & ~kDeletedBit;
  e.packed_length = load_be32(v + 16);
  if (name_offset > data_.size() || name_length > data_.size() - name_offset) {
    return error(Code::corrupt, "pack name of {} lies outside the index", e.id.text());
  }
  e.pack = as_text(data_).substr(name_offset, name_length);
  if (!usable_pack_name(e.pack)) {
    return error(Code::corrupt, "pack name of {} is not a blob name", e.id.text());
  }
  if (e.packed_length < overhead_) {
    return error(Code::corrupt, "length {} of {} is below the encryption overhead", e.packed_length, e.id.text());
  }
  e.original_length = e.packed_length - overhead_;
  return {};
}

Status IndexReader::read_v2(const Byte* v, Entry& e) const {
  const std::size_t value_size = stride_ - key_size_;
  e.timestamp_seconds = base_timestamp_ + load_be32(v);
  const std::uint32_t position = load_be32(v + 4);
  e.deleted = (position & kDeletedBit) != 0;
  e.pack_offset = position & ~kDeletedBit;
  e.original_length = load_be24(v + 8);
  e.packed_length = load_be24(v + 11);
  std::uint32_t pack = load_be16(v + 14);
  std::uint32_t format = 0;
  if (value_size > 16) {
    format = v[16];
  }
  if (value_size > 17) {
    pack |= static_cast<std::uint32_t>(v[17]) << 16;
  }
  if (value_size > 18) {
    e.original_length |= static_cast<std::uint32_t>(v[18] >> 4) << 24;
    e.packed_length |= static_cast<std::uint32_t>(v[18] & 15) << 24;
  }
  if (pack >= pack_count_) {
    return error(Code::corrupt, "pack number {} of {} is out of range", pack, e.id.text());
  }
  if (format >= format_count_) {
    return error(Code::corrupt, "format number {} of {} is out of range", format, e.id.text());
  }
  const Byte* pack_slot = data_.data() + packs_offset_ + pack * kPackSlotSize;
  if (pack_slot[0] > 0) {
    e.pack = as_text(data_).substr(load_be32(pack_slot + 1), pack_slot[0]);
  }
  const Byte* format_slot = data_.data() + formats_offset_ + format * kFormatSlotSize;
  e.compression = load_be32(format_slot);
  e.format_version = format_slot[4];
  e.encryption_key_id = format_slot[5];
  return {};
}

std::size_t IndexReader::lower_bound(const ContentId& id) const {
  std::size_t low = 0;
  std::size_t high = count_;
  while (low < high) {
    const std::size_t middle = low + (high - low) / 2;
    if (compare_key(key_at(middle), id) < 0) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

Result<std::ptrdiff_t> IndexReader::find(const ContentId& id) const {
  if (count_ == 0) {
    return std::ptrdiff_t{-1};
  }
  if (id.size + std::size_t{1} != key_size_) {
    return error(Code::corrupt, "index has hashes of {} bytes, {} has {}", key_size_ - 1, id.text(), id.size);
  }
  const std::size_t i = lower_bound(id);
  if (i < count_ && compare_key(key_at(i), id) == 0) {
    return static_cast<std::ptrdiff_t>(i);
  }
  return std::ptrdiff_t{-1};
}

}  // namespace cairn::index
