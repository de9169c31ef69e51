#include "content/pack_ranges.h"

#include <algorithm>
#include <cstring>
#include <tuple>

#include "base/log.h"
#include "base/task_group.h"

namespace cairn::content {
namespace {

constexpr std::size_t kLanes = 16;
constexpr std::size_t kContentSizeMax = std::size_t{1} << 28;

Result<Buffer> open_content(const format::UnitCrypto& crypto, const ContentPlace& place, const std::string& pack,
                            ByteView stored) {
  std::size_t repaired = 0;
  TRY_ASSIGN(Buffer plain, crypto.open(place.id.iv(), stored, &repaired));
  if (repaired != 0) {
    log::warning("content", "content {} in pack {}: {} damaged shards were corrected by ECC", place.id.text(), pack,
                 repaired);
  }
  if (place.compression == 0) {
    return plain;
  }
  Buffer raw;
  TRY(compress::decompress(place.compression, plain.view(), raw, place.original_length, kContentSizeMax));
  return raw;
}

// Opened contents that are hashed together.
class Lanes {
 public:
  Lanes(const crypto::Hasher& hasher, std::span<const ContentPlace> places, const PlaceCallback& each)
      : hasher_(hasher), places_(places), each_(each) {}

  void add(std::size_t place, Buffer plain) {
    bytes_ += plain.size();
    plain_.push_back(std::move(plain));
    at_.push_back(place);
  }
  bool full(std::size_t bytes_max) const { return at_.size() >= kLanes || bytes_ >= bytes_max; }
  Status check() {
    std::vector<ByteView> inputs;
    inputs.reserve(plain_.size());
    for (const Buffer& b : plain_) {
      inputs.push_back(b.view());
    }
    std::vector<HashValue> hashes(inputs.size());
    hasher_.hash_many(inputs, hashes);
    for (std::size_t i = 0; i < hashes.size(); ++i) {
      const ContentId& id = places_[at_[i]].id;
      const bool same = hashes[i].size == id.size && std::memcmp(hashes[i].bytes.data(), id.hash.data(), id.size) == 0;
      TRY(each_(at_[i], same ? &plain_[i] : nullptr));
    }
    plain_.clear();
    at_.clear();
    bytes_ = 0;
    return {};
  }

 private:
  const crypto::Hasher& hasher_;
  const std::span<const ContentPlace> places_;
  const PlaceCallback& each_;
  std::vector<Buffer> plain_;
  std::vector<std::size_t> at_;
  std::size_t bytes_ = 0;
};

}  // namespace

ReadStyle read_style(const blob::Storage& storage) {
  const std::string type = storage.connection_info().type;
  if (type == "filesystem" || type == "memory") {
    return {.together = false, .requests = cpu_count()};
  }
  return {.together = true,
          .requests = 32,
          .limits = {.length_max = 2u << 20, .gap_max = 256u << 10, .decoded_max = 512u << 10}};
}

std::uint32_t PackTable::add(const std::string& name) {
  const std::lock_guard lock(mutex_);
  const auto [it, fresh] = numbers_.try_emplace(name, static_cast<std::uint32_t>(names_.size()));
  if (fresh) {
    names_.push_back(&it->first);
  }
  return it->second;
}

const std::string& PackTable::name(std::uint32_t number) const {
  const std::lock_guard lock(mutex_);
  return *names_[number];
}

ContentPlace place_of(const ContentInfo& info, PackTable& packs, std::uint32_t owner) {
  return {
      info.id, packs.add(info.pack.text), info.pack_offset, info.packed_length, info.original_length, info.compression,
      owner};
}

std::vector<PackRange> merge_into_ranges(std::vector<ContentPlace>& places, const RangeLimits& limits) {
  std::ranges::sort(places, [](const ContentPlace& a, const ContentPlace& b) {
    return std::tie(a.pack, a.offset, a.id) < std::tie(b.pack, b.offset, b.id);
  });
  std::vector<PackRange> out;
  for (std::size_t i = 0; i < places.size(); ++i) {
    const ContentPlace& place = places[i];
    if (!out.empty()) {
      PackRange& range = out.back();
      const std::uint64_t end = std::uint64_t{range.offset} + range.length;
      const std::uint64_t new_end = std::max(end, std::uint64_t{place.offset} + place.packed_length);
      const bool again = places[i - 1].id == place.id && places[i - 1].offset == place.offset;
      if (places[range.first].pack == place.pack && place.offset <= end + limits.gap_max &&
          (again || new_end - range.offset <= limits.length_max)) {
        range.last = i + 1;
        range.length = static_cast<std::uint32_t>(new_end - range.offset);
        continue;
      }
    }
    out.push_back({i, i + 1, place.offset, place.packed_length});
  }
  return out;
}

Status read_range(ContentManager& contents, const PackTable& packs, std::span<const ContentPlace> places,
                  const PackRange& range, const RangeLimits& limits, const PlaceCallback& each, std::stop_token stop) {
  const std::string& pack = packs.name(places[range.first].pack);
  const auto bytes = contents.storage().get(BlobId(pack), {range.offset, range.length}, stop);
  Lanes lanes(contents.crypto().hasher(), places, each);
  for (std::size_t i = range.first; i < range.last; ++i) {
    if (stop.stop_requested()) {
      return Status(Code::cancelled, "cancelled");
    }
    const ContentPlace& place = places[i];
    if (i > range.first && place.id == places[i - 1].id) {
      continue;
    }
    const std::size_t at = place.offset - range.offset;
    if (!bytes.ok() || at + place.packed_length > bytes->size()) {
      TRY(each(i, nullptr));
      continue;
    }
    auto plain = open_content(contents.crypto(), place, pack, bytes->view().subspan(at, place.packed_length));
    if (!plain.ok()) {
      TRY(each(i, nullptr));
      continue;
    }
    lanes.add(i, std::move(*plain));
    if (lanes.full(limits.decoded_max)) {
      TRY(lanes.check());
    }
  }
  return lanes.check();
}

}  // namespace cairn::content
