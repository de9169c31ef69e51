#include "snapshot/verify_contents.h"

#include <algorithm>
#include <cstring>

#include "base/log.h"
#include "base/task_group.h"
#include "compress/codec.h"

namespace cairn::snapshot {
namespace {

constexpr std::uint32_t kRangeMax = 4u << 20;
constexpr std::uint32_t kGapMax = 64u << 10;  // read and thrown away rather than asked for twice
constexpr std::size_t kLanes = 16;
constexpr std::size_t kLaneBytesMax = 8u << 20;
constexpr std::size_t kContentSizeMax = std::size_t{1} << 28;

}  // namespace

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

// Decoded contents waiting to be hashed together.
struct ContentVerifier::Lanes {
  std::vector<Buffer> plain;
  std::vector<std::size_t> items;
  std::size_t bytes = 0;
  void clear() {
    plain.clear();
    items.clear();
    bytes = 0;
  }
};

ContentVerifier::ContentVerifier(repo::Repository& repository, unsigned threads, std::size_t batch_max,
                                 Callbacks callbacks)
    : repository_(repository),
      threads_(threads),
      batch_max_(batch_max),
      callbacks_(std::move(callbacks)),
      batch_(std::make_unique<Batch>()) {}

void ContentVerifier::file_failed(const std::string& path, const object::ObjectId& object, const Status& status) {
  callbacks_.on_error(path, status.with_frame("error reading object " + object.text()));
}

Status ContentVerifier::add(const std::string& path, const object::ObjectId& object, std::int64_t length,
                            const std::vector<content::ContentInfo>& contents, std::stop_token stop) {
  std::vector<Item> items;
  Status known_bad;
  std::unique_ptr<Batch> full;
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, stop, [&] { return batch_->items.size() < batch_max_ || !working_; });
    if (stop.stop_requested()) {
      return Status(Code::cancelled, "cancelled");
    }
    for (const content::ContentInfo& c : contents) {
      if (const auto it = bad_.find(c.id); it != bad_.end()) {
        known_bad = it->second;
        break;
      }
      if (!good_.contains(object::ObjectId::direct(c.id))) {
        items.push_back({c.id, packs_.add(c.pack.text), c.pack_offset, c.packed_length, c.original_length,
                         c.compression, static_cast<std::uint32_t>(batch_->files.size())});
      }
    }
    if (known_bad.ok() && !items.empty()) {
      batch_->files.push_back({path, object, length, static_cast<std::uint32_t>(items.size()), false});
      batch_->items.insert(batch_->items.end(), items.begin(), items.end());
      if (batch_->items.size() >= batch_max_ && !working_) {
        full = std::exchange(batch_, std::make_unique<Batch>());
        working_ = true;
      }
    }
  }
  if (!known_bad.ok()) {
    file_failed(path, object, known_bad);
    return {};
  }
  if (items.empty()) {
    callbacks_.on_file_read(length);
    return {};
  }
  return full != nullptr ? work_off(std::move(full), stop) : Status();
}

Status ContentVerifier::finish(std::stop_token stop) {
  std::unique_ptr<Batch> rest;
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, stop, [&] { return !working_; });
    rest = std::exchange(batch_, std::make_unique<Batch>());
    working_ = true;
  }
  return work_off(std::move(rest), stop);
}

std::vector<ContentVerifier::Range> ContentVerifier::ranges_of(const std::vector<Item>& items) {
  std::vector<Range> out;
  for (std::size_t i = 0; i < items.size(); ++i) {
    const Item& item = items[i];
    if (!out.empty()) {
      Range& r = out.back();
      const Item& head = items[r.first];
      const std::uint64_t end = std::uint64_t{r.offset} + r.length;
      const std::uint64_t item_end = std::uint64_t{item.offset} + item.packed_length;
      if (head.pack == item.pack && item.offset <= end + kGapMax && std::max(item_end, end) - r.offset <= kRangeMax) {
        r.last = i + 1;
        r.length = static_cast<std::uint32_t>(std::max(item_end, end) - r.offset);
        continue;
      }
    }
    out.push_back({i, i + 1, item.offset, item.packed_length});
  }
  return out;
}

Status ContentVerifier::work_off(std::unique_ptr<Batch> batch, std::stop_token stop) {
  std::ranges::sort(batch->items, [](const Item& a, const Item& b) {
    return std::tie(a.pack, a.offset, a.id) < std::tie(b.pack, b.offset, b.id);
  });
  const std::vector<Range> ranges = ranges_of(batch->items);
  const Status s = parallel_for(ranges.size(), threads_, stop,
                                [&](std::size_t i, std::stop_token t) { return verify_range(*batch, ranges[i], t); });
  {
    const std::lock_guard lock(mutex_);
    working_ = false;
  }
  changed_.notify_all();
  return s;
}

Result<Buffer> ContentVerifier::decode(const Item& item, ByteView stored) const {
  std::size_t repaired = 0;
  TRY_ASSIGN(Buffer plain, repository_.contents().crypto().open(item.id.iv(), stored, &repaired));
  if (repaired != 0) {
    log::warning("content", "content {} in pack {}: {} damaged shards were corrected by ECC", item.id.text(),
                 packs_.name(item.pack), repaired);
  }
  if (item.compression != 0) {
    Buffer raw;
    TRY(compress::decompress(item.compression, plain.view(), raw, item.original_length, kContentSizeMax));
    return raw;
  }
  return plain;
}

Status ContentVerifier::verify_range(Batch& batch, const Range& range, std::stop_token stop) {
  const BlobId pack(packs_.name(batch.items[range.first].pack));
  auto bytes = repository_.storage().get(pack, {range.offset, range.length}, stop);
  Lanes lanes;
  for (std::size_t i = range.first; i < range.last; ++i) {
    if (stop.stop_requested()) {
      return Status(Code::cancelled, "cancelled");
    }
    const Item& item = batch.items[i];
    if (i > range.first && item.id == batch.items[i - 1].id) {
      continue;  // settled together with its first occurrence
    }
    const std::size_t at = item.offset - range.offset;
    if (!bytes.ok() || at + item.packed_length > bytes->size()) {
      TRY(verify_slowly(batch, i, stop));
      continue;
    }
    auto plain = decode(item, bytes->view().subspan(at, item.packed_length));
    if (!plain.ok()) {
      TRY(verify_slowly(batch, i, stop));
      continue;
    }
    lanes.bytes += plain->size();
    lanes.plain.push_back(std::move(*plain));
    lanes.items.push_back(i);
    if (lanes.items.size() >= kLanes || lanes.bytes >= kLaneBytesMax) {
      TRY(check_lanes(batch, lanes, stop));
    }
  }
  return check_lanes(batch, lanes, stop);
}

Status ContentVerifier::check_lanes(Batch& batch, Lanes& lanes, std::stop_token stop) {
  std::vector<ByteView> inputs;
  inputs.reserve(lanes.plain.size());
  for (const Buffer& b : lanes.plain) {
    inputs.push_back(b.view());
  }
  std::vector<HashValue> hashes(inputs.size());
  repository_.contents().crypto().hasher().hash_many(inputs, hashes);
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const ContentId& id = batch.items[lanes.items[i]].id;
    const bool same = hashes[i].size == id.size && std::memcmp(hashes[i].bytes.data(), id.hash.data(), id.size) == 0;
    if (same) {
      settle(batch, lanes.items[i], {});
    } else {
      TRY(verify_slowly(batch, lanes.items[i], stop));
    }
  }
  lanes.clear();
  return {};
}

Status ContentVerifier::verify_slowly(Batch& batch, std::size_t item, std::stop_token stop) {
  auto content = repository_.contents().read(batch.items[item].id, stop);
  if (content.code() == Code::cancelled) {
    return std::move(content).status();
  }
  settle(batch, item, std::move(content).status());
  return {};
}

void ContentVerifier::settle(Batch& batch, std::size_t item, const Status& status) {
  const ContentId& id = batch.items[item].id;
  if (status.ok()) {
    good_.insert(object::ObjectId::direct(id));
  } else {
    const std::lock_guard lock(mutex_);
    bad_.emplace(id, status);
  }
  // Files that are done now, or have failed just now.
  std::vector<File*> done;
  {
    const std::lock_guard lock(batch.mutex);
    for (std::size_t i = item; i < batch.items.size() && batch.items[i].id == id; ++i) {
      File& f = batch.files[batch.items[i].file];
      --f.remaining;
      if (f.failed) {
        continue;
      }
      f.failed = !status.ok();
      if (f.failed || f.remaining == 0) {
        done.push_back(&f);
      }
    }
  }
  for (File* f : done) {
    if (status.ok()) {
      callbacks_.on_file_read(f->length);
    } else {
      file_failed(f->path, f->object, status);
    }
  }
}

}  // namespace cairn::snapshot
