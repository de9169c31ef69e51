#include "proof/units.h"

#include <algorithm>
#include <cstring>
#include <mutex>

#include "base/log.h"
#include "base/task_group.h"
#include "compress/codec.h"
#include "content/recover.h"

namespace cairn::proof {
namespace {

constexpr std::size_t kItemsMax = 1'000'000;  // of one walk through the indexes
constexpr std::int64_t kUnitBytesMax = std::int64_t{1} << 30;
constexpr std::size_t kContentSizeMax = std::size_t{1} << 28;
constexpr std::size_t kLanes = 16;
constexpr std::size_t kLaneBytesMax = 8u << 20;

// Contents are decoded one by one and hashed several at once.
class PackCheck {
 public:
  PackCheck(ByteView pack, const format::UnitCrypto& crypto, Verdict& out) : pack_(pack), crypto_(crypto), out_(out) {}

  void check(const PackItem& item, bool named) {
    ++out_.contents;
    auto plain = decode(item);
    if (!plain.ok()) {
      blame(item.id, named, plain.status().message());
      return;
    }
    bytes_ += plain->size();
    plain_.push_back(std::move(*plain));
    lanes_.push_back({item.id, named});
    if (lanes_.size() >= kLanes || bytes_ >= kLaneBytesMax) {
      finish();
    }
  }
  void finish() {
    std::vector<ByteView> inputs;
    for (const Buffer& b : plain_) {
      inputs.push_back(b.view());
    }
    std::vector<HashValue> hashes(inputs.size());
    crypto_.hasher().hash_many(inputs, hashes);
    for (std::size_t i = 0; i < lanes_.size(); ++i) {
      const ContentId& id = lanes_[i].id;
      if (hashes[i].size != id.size || std::memcmp(hashes[i].bytes.data(), id.hash.data(), id.size) != 0) {
        blame(id, lanes_[i].named, "content does not match its hash");
      }
    }
    plain_.clear();
    lanes_.clear();
    bytes_ = 0;
  }

 private:
  struct Lane {
    ContentId id;
    bool named;
  };
  Result<Buffer> decode(const PackItem& item) {
    if (std::size_t{item.offset} + item.packed_length > pack_.size()) {
      return error(Code::corrupt, "content is out of bounds of its pack");
    }
    std::size_t repaired = 0;
    TRY_ASSIGN(Buffer plain, crypto_.open(item.id.iv(), pack_.subspan(item.offset, item.packed_length), &repaired));
    out_.repaired += static_cast<std::int64_t>(repaired);
    if (item.compression == 0) {
      return plain;
    }
    Buffer raw;
    TRY(compress::decompress(item.compression, plain.view(), raw, item.original_length, kContentSizeMax));
    return raw;
  }
  void blame(const ContentId& id, bool named, std::string why) {
    if (named) {
      out_.bad.push_back({id, std::move(why)});
    } else {
      ++out_.bad_other;
    }
  }

  const ByteView pack_;
  const format::UnitCrypto& crypto_;
  Verdict& out_;
  std::vector<Buffer> plain_;
  std::vector<Lane> lanes_;
  std::size_t bytes_ = 0;
};

// What the pack's own index lists besides `items`.
Status check_own_index(PackCheck& check, ByteView pack, std::span<const PackItem> items,
                       const format::UnitCrypto& crypto) {
  const auto own = content::open_local_index(pack, static_cast<std::int64_t>(pack.size()), crypto);
  if (own.code() == Code::not_found) {
    return {};  // packs of old versions have none; a pack cut short lacks contents too, or has lost nothing
  }
  TRY(own, "the pack's own index");
  for (std::size_t i = 0; i < own->size(); ++i) {
    TRY_ASSIGN(const index::Entry e, own->at(i), "the pack's own index");
    const auto at = std::ranges::lower_bound(items, e.pack_offset, {}, &PackItem::offset);
    if (at == items.end() || at->offset != e.pack_offset || at->id != e.id) {
      check.check({e.id, 0, e.pack_offset, e.packed_length, e.original_length, e.compression}, false);
    }
  }
  return {};
}

class Reading {
 public:
  Reading(content::ContentManager& contents, Units& units, const ReadOptions& options, const OnUnit& on_read)
      : contents_(contents), units_(units), options_(options), on_read_(on_read) {}

  Status run(std::span<const std::uint32_t> order, std::stop_token stop) {
    while (!order.empty() && !ended_) {
      std::size_t count = 0, contents = 0;
      while (count < order.size() && (count == 0 || contents + unit(order[count]).contents <= kItemsMax)) {
        contents += unit(order[count++]).contents;
      }
      const auto batch = order.first(count);
      order = order.subspan(count);
      TRY(load_items(batch, stop));
      TRY(parallel_for(batch.size(), std::max(1U, options_.parallel), stop,
                       [&](std::size_t i, std::stop_token t) { return read(batch[i], t); }));
    }
    return {};
  }

 private:
  const Unit& unit(std::uint32_t number) const { return units_.all()[number]; }

  Status load_items(std::span<const std::uint32_t> batch, std::stop_token stop) {
    std::vector<bool> wanted(units_.all().size());
    for (const std::uint32_t n : batch) {
      wanted[n] = !unit(n).is_index;
    }
    items_.clear();
    if (std::ranges::find(wanted, true) == wanted.end()) {
      return {};
    }
    TRY(contents_.iterate(
            {.first = "", .last = "", .include_deleted = true},
            [&](const content::ContentInfo& c) -> Status {
              const std::int64_t n = units_.find(c.pack.text);
              if (n >= 0 && wanted[static_cast<std::size_t>(n)]) {
                items_.push_back({c.id, static_cast<std::uint32_t>(n), c.pack_offset, c.packed_length,
                                  c.original_length, c.compression});
              }
              return {};
            },
            stop),
        "error iterating contents");
    std::ranges::sort(items_, [](const PackItem& a, const PackItem& b) {
      return a.unit != b.unit ? a.unit < b.unit : a.offset < b.offset;
    });
    return {};
  }

  Status read(std::uint32_t number, std::stop_token stop) {
    const Unit& u = unit(number);
    {
      const std::lock_guard lock(mutex_);
      ended_ = ended_ || (options_.go_on && !options_.go_on(u));
      if (ended_) {
        return {};
      }
    }
    Verdict verdict;
    Buffer bytes;
    TRY(check(number, verdict, bytes, stop));
    if (verdict.repaired > 0) {
      log::warning("proof", "{}: {} damaged shards were corrected by ECC", u.id.text, verdict.repaired);
    }
    const std::lock_guard lock(mutex_);
    return on_read_(number, std::move(verdict), bytes.view());
  }

  Status check(std::uint32_t number, Verdict& out, Buffer& bytes, std::stop_token stop) {
    const Unit& u = unit(number);
    out.gone = u.missing();
    if (u.length > kUnitBytesMax) {
      out.problem = fmt::format("impossible length {}", u.length);
    }
    if (!out.good()) {
      return {};
    }
    blob::Storage& from = options_.from != nullptr ? *options_.from : contents_.storage();
    auto stored = from.get(u.id, {}, stop);
    if (stored.code() == Code::not_found) {
      out.gone = true;
      return {};
    }
    TRY(stored, "error reading {}", u.id.text);
    bytes = std::move(*stored);
    if (u.is_index) {
      out = check_index_blob(u.id, bytes.view(), contents_.crypto());
      return {};
    }
    const auto range = std::ranges::equal_range(items_, number, {}, &PackItem::unit);
    out = check_pack(bytes.view(), {range.begin(), range.end()}, contents_.crypto());
    return {};
  }

  content::ContentManager& contents_;
  Units& units_;
  const ReadOptions& options_;
  const OnUnit& on_read_;
  std::vector<PackItem> items_;  // of the batch, by unit and offset
  std::mutex mutex_;
  std::atomic<bool> ended_{false};
};

}  // namespace

std::uint32_t Units::add(const BlobId& id) {
  const auto [it, fresh] = numbers_.try_emplace(id.text, static_cast<std::uint32_t>(units_.size()));
  if (fresh) {
    units_.emplace_back().id = id;
  }
  return it->second;
}

std::int64_t Units::find(std::string_view id) const {
  const auto it = numbers_.find(std::string(id));
  return it == numbers_.end() ? -1 : std::int64_t{it->second};
}

Status Units::recount(content::ContentManager& contents, std::stop_token stop) {
  for (Unit& u : units_) {
    u.contents = 0;
    u.needed = 0;
  }
  const auto count = [&](const content::ContentInfo& c) -> Status {
    Unit& u = units_[add(c.pack)];
    ++u.contents;
    u.needed = std::max(u.needed, std::int64_t{c.pack_offset} + c.packed_length);
    return {};
  };
  TRY(contents.iterate({.first = "", .last = "", .include_deleted = true}, count, std::move(stop)),
      "error iterating contents");
  return {};
}

Result<Units> Units::load(content::ContentManager& contents, const std::vector<blob::BlobMetadata>& index_blobs,
                          std::stop_token stop) {
  Units out;
  TRY(out.recount(contents, stop));
  const auto found = [&](const blob::BlobMetadata& b) -> Status {
    Unit& u = out.units_[out.add(b.id)];
    u.length = b.length;
    u.timestamp = b.timestamp;
    return {};
  };
  for (const char* prefix : {"p", "q"}) {
    TRY(contents.storage().list(prefix, found, stop), "unable to list blobs");
  }
  for (const blob::BlobMetadata& b : index_blobs) {
    TRY(found(b));
    out.units_[out.add(b.id)].is_index = true;
  }
  return out;
}

Verdict check_pack(ByteView pack, std::span<const PackItem> items, const format::UnitCrypto& crypto) {
  Verdict out;
  out.bytes = static_cast<std::int64_t>(pack.size());
  PackCheck check(pack, crypto, out);
  for (const PackItem& item : items) {
    check.check(item, true);
  }
  const Status own = check_own_index(check, pack, items, crypto);
  check.finish();
  if (!own.ok()) {
    out.problem = own.message();
  }
  return out;
}

Verdict check_index_blob(const BlobId& id, ByteView stored, const format::UnitCrypto& crypto) {
  Verdict out;
  out.bytes = static_cast<std::int64_t>(stored.size());
  if (const auto opened = index::open_index_blob(crypto, id, stored); !opened.ok()) {
    out.problem = opened.status().message();
  }
  return out;
}

Status read_units(content::ContentManager& contents, Units& units, std::span<const std::uint32_t> order,
                  const ReadOptions& options, const OnUnit& on_read, std::stop_token stop) {
  return Reading(contents, units, options, on_read).run(order, std::move(stop));
}

}  // namespace cairn::proof
