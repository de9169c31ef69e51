// Uploading packs and publishing their index. Order (kopia-format §10.2): marker, packs, index, marker removed.
#include <algorithm>
#include <set>

#include "base/log.h"
#include "content/content_manager_internal.h"
#include "content/pack_ranges.h"
#include "index/write_beside.h"

namespace cairn::content {
namespace {

// Of one index blob published from sorted runs: what building it takes stays small.
constexpr std::size_t kPublishedEntriesMax = 256 << 10;
// Packs that no index names are kept for as long as others believe that their session lives: 96 hours.
constexpr Duration kSessionTrusted = hours(72);
// And for a day where there is no session: with packs younger than this its marker may go before its index is
// confirmed.
constexpr Duration kKeptUnmarked = hours(12);

class FlushPass {
 public:
  explicit FlushPass(FlushGate& gate) : gate_(gate) { gate_.enter_flush(); }
  ~FlushPass() { gate_.leave_flush(); }
  FlushPass(const FlushPass&) = delete;
  FlushPass& operator=(const FlushPass&) = delete;

 private:
  FlushGate& gate_;
};

}  // namespace

index::Entry ContentManagerImpl::index_entry(const PendingEntry& e) const {
  index::Entry out;
  out.id = e.id;
  out.pack = e.state == PendingState::marker ? std::string_view(foreign_packs_[e.pack]) : packs_[e.pack]->id.text;
  out.pack_offset = e.pack_offset;
  out.packed_length = e.packed_length;
  out.original_length = e.original_length;
  out.timestamp_seconds = e.timestamp_seconds;
  out.compression = e.compression;
  out.format_version = e.format_version;
  out.deleted = e.deleted;
  return out;
}

void ContentManagerImpl::upload_loop(std::stop_token stop) {
  while (true) {
    PackPtr pack;
    {
      std::unique_lock lock(mutex_);
      if (!queued_.wait(lock, stop, [&] { return !upload_queue_.empty(); })) {
        return;
      }
      pack = std::move(upload_queue_.front());
      upload_queue_.pop_front();
      if (pack->state != PackState::closed || !dead_.ok()) {
        continue;
      }
      pack->state = PackState::uploading;
    }
    const Status s = upload(*pack, stop);
    const std::lock_guard lock(mutex_);
    if (!s.ok()) {
      pack->state = PackState::failed;
      upload_error_ = s;
      log::debug("content", "upload of pack {} failed: {}", pack->id.text, s.message());
    }
    changed_.notify_all();
  }
}

Status ContentManagerImpl::finish_for_upload(Pack& pack) {
  if (pack.finished) {
    return {};
  }
  index::IndexBuilder local;
  {
    const std::lock_guard lock(mutex_);
    for (const std::uint32_t i : pack.entries) {
      if (pending_[i].state == PendingState::ready && packs_[pending_[i].pack].get() == &pack) {
        local.add(index_entry(pending_[i]));
      }
    }
  }
  if (local.size() == 0) {
    const std::lock_guard lock(mutex_);
    pack.state = PackState::abandoned;
    return {};
  }
  return finish_pack(pack, local, format_.current()->index_version, *crypto_);
}

Status ContentManagerImpl::upload(Pack& pack, std::stop_token stop) {
  TRY(finish_for_upload(pack), "pack {}", pack.id.text);
  bool abandoned = false;
  {
    const std::lock_guard lock(mutex_);
    TRY(dead_);
    abandoned = pack.state == PackState::abandoned;
  }
  std::size_t size = 0;
  if (!abandoned) {
    std::vector<ByteView> parts;
    pack.bytes.pieces(0, pack.bytes.size(), parts);
    size = pack.bytes.size();
    TRY(storage_->put(pack.id, parts, blob::PutOptions{}, stop), "error writing pack {}", pack.id.text);
    keep_metadata(pack.id, parts, size);
  }
  const std::lock_guard lock(mutex_);
  if (!abandoned) {
    pack.state = PackState::stored;
    ++stats_.packs_written;
    stats_.bytes_uploaded += static_cast<std::int64_t>(size);
  }
  upload_bytes_ -= pack.size_when_closed;
  SlabBuffer freed(std::move(pack.bytes));
  return {};
}

// The next run reads what this one wrote: it need not fetch that from the storage.
void ContentManagerImpl::keep_metadata(const BlobId& pack, GatherView parts, std::size_t size) {
  if (!pack.starts_with("q") || !metadata_cache_->enabled() || !metadata_cache_works_) {
    return;
  }
  const auto count = [&](std::size_t bytes, bool more) {
    const std::lock_guard lock(mutex_);
    upload_bytes_ = more ? upload_bytes_ + bytes : upload_bytes_ - bytes;
    changed_.notify_all();
  };
  count(size, true);  // a copy: writers wait for it as for what is being uploaded
  {
    Buffer copy;
    copy.reserve(size);
    for (const ByteView& part : parts) {
      copy.append(part);
    }
    if (!metadata_cache_->put(pack.text, copy.view())) {
      metadata_cache_works_ = false;
    }
  }
  count(size, false);
}

// As keep_metadata. The storage has other bytes under this name (each sealing has its own nonce) that open to the same.
void ContentManagerImpl::keep_index(const BlobId& id, ByteView plain) {
  if (!index_cache_->enabled()) {
    return;
  }
  const auto sealed = crypto_->seal_blob("", "", plain);
  if (sealed.ok() && id.text.find(sealed->id.text) != std::string::npos) {
    index_cache_->put(id.text, sealed->data.view());
  }
}

Status ContentManagerImpl::flush(std::stop_token stop) {
  if (options_.read_only) {
    return {};
  }
  const FlushPass pass(gate_);
  return flush_in_gate(stop);
}

Status ContentManagerImpl::flush_in_gate(std::stop_token stop) {
  TRY(flush_packs(stop));
  SlabBuffer::trim_pool();
  {
    const std::lock_guard lock(mutex_);
    if (hold_index_) {
      return {};
    }
    if (session_open_ && options_.clock->now() - session_.start_time > kSessionTrusted) {
      dead_ = error(Code::failed_precondition,
                    "this process stood still for so long that others may have removed what it stored; nothing of it "
                    "was published, run the command again");
      return dead_;
    }
  }
  return flush_index(stop);
}

// No writer is active. Closes the open packs and waits until every pack of the batch is stored; failed ones get one
// more chance with the same name and bytes.
Status ContentManagerImpl::flush_packs(std::stop_token stop) {
  std::unique_lock lock(mutex_);
  TRY(dead_);
  upload_error_ = Status();
  for (PackPtr pack : {open_packs_[0], open_packs_[1]}) {
    if (pack != nullptr) {
      close_pack(std::move(pack));
    }
  }
  for (const PackPtr& pack : packs_) {
    if (pack->state == PackState::failed) {
      pack->state = PackState::closed;
      enqueue(pack);
    }
  }
  const auto settled = [&] {
    return std::ranges::all_of(packs_, [](const PackPtr& p) {
      return p->state == PackState::stored || p->state == PackState::failed || p->state == PackState::abandoned;
    });
  };
  if (!changed_.wait(lock, stop, settled)) {
    return Status(Code::cancelled, "cancelled");
  }
  return upload_error_;
}

Result<index::IndexBuilder> ContentManagerImpl::pending_index() const {
  index::IndexBuilder builder;
  const std::lock_guard lock(mutex_);
  for (const PendingEntry& e : pending_.entries()) {
    if (e.state == PendingState::ready || e.state == PendingState::marker) {
      builder.add(index_entry(e));
    }
  }
  return builder;
}

// Too many entries wait for the next flush: their packs are stored, and they become a sorted run outside of pending_.
Status ContentManagerImpl::spill_pending(std::stop_token stop) {
  const FlushPass pass(gate_);
  {
    const std::lock_guard lock(mutex_);
    if (pending_.size() < options_.pending_entries_max) {
      return {};  // another thread was faster
    }
  }
  TRY(flush_packs(stop));
  TRY_ASSIGN(const index::IndexBuilder builder, pending_index());
  TRY_ASSIGN(std::vector<Buffer> plain, builder.build(format_.current()->index_version), "building index");
  for (Buffer& run : plain) {
    TRY_ASSIGN(auto reader, plaintexts_.open(std::move(run), crypto_->encryptor().overhead()));
    const auto shared = std::make_shared<const index::IndexReader>(std::move(reader));
    const std::lock_guard lock(mutex_);
    const BlobId name(fmt::format("{}-run-{}", session_.id, spilled_.size()));  // no blob is named like this
    spilled_.emplace(name, shared);
    TRY(committed_.add(name, shared));
  }
  const std::lock_guard lock(mutex_);
  pending_.clear();
  packs_.clear();
  foreign_packs_.clear();
  return {};
}

// The process stood still in the call that published the index, for so long that others may have removed the packs
// before they could see it. What names them cannot be withdrawn: others may count on it by now. Errors: corrupt.
Status ContentManagerImpl::check_packs_of_session(std::stop_token stop) {
  std::set<std::string> packs;
  for (const auto& [id, reader] : committed_.readers()) {
    if (id.text.find(session_.id) != std::string::npos) {
      for (std::size_t i = 0; i < reader->size(); ++i) {
        TRY_ASSIGN(const index::Entry e, reader->at(i));
        if (e.pack.ends_with(session_.id)) {
          packs.emplace(e.pack);
        }
      }
    }
  }
  for (const std::string& pack : packs) {
    if (const Status there = storage_->metadata(BlobId(pack), stop).status(); there.is(Code::not_found)) {
      return error(Code::corrupt,
                   "this process stood still for so long that others removed pack {} before its index was stored: what "
                   "was saved is incomplete; find it with 'snapshot verify', delete it and save again",
                   pack);
    }
  }
  return {};
}

Status ContentManagerImpl::publish(Buffer plaintext, const std::function<void()>& beside, std::stop_token stop) {
  Buffer copy = Buffer::copy_of(plaintext.view());
  std::vector<Buffer> one;
  one.push_back(std::move(plaintext));
  const auto write = [&] {
    return beside ? index::write_beside(*epochs_, std::move(one), session_.id, beside, stop)
                  : indexes_->write(std::move(one), session_.id, stop);
  };
  TRY_ASSIGN(const auto written, write(), "error writing index");
  keep_index(written.front().id, copy.view());
  TRY_ASSIGN(auto reader, plaintexts_.open(std::move(copy), crypto_->encryptor().overhead()));
  return committed_.add(written.front().id, std::make_shared<const index::IndexReader>(std::move(reader)));
}

// `beside` runs while the last index blob is being confirmed, or never.
Status ContentManagerImpl::publish_pending(const std::function<void()>& beside, std::stop_token stop) {
  TRY_ASSIGN(const index::IndexBuilder builder, pending_index());
  TRY_ASSIGN(std::vector<Buffer> plain, builder.build(format_.current()->index_version), "building index");
  if (spilled_.empty()) {
    for (Buffer& b : plain) {
      TRY(publish(std::move(b), &b == &plain.back() ? beside : std::function<void()>(), stop));
    }
    return {};
  }
  std::vector<CommittedIndex::ReaderPtr> readers;
  for (const auto& [name, reader] : spilled_) {
    readers.push_back(reader);
  }
  for (Buffer& b : plain) {
    TRY_ASSIGN(auto reader, plaintexts_.open(std::move(b), crypto_->encryptor().overhead()));
    readers.push_back(std::make_shared<const index::IndexReader>(std::move(reader)));
  }
  std::vector<const index::IndexReader*> pointers;
  for (const auto& r : readers) {
    pointers.push_back(r.get());
  }
  // Each shard is an index blob of its own: if a later one fails, all are written once more, which merging undoes.
  index::MergedShards out;
  out.version = format_.current()->index_version;
  out.entries_max = kPublishedEntriesMax;
  out.begin = [](std::size_t) { return Status(); };
  out.shard = [&](Buffer plaintext) { return publish(std::move(plaintext), {}, stop); };
  return index::build_merged(pointers, out, stop);
}

void ContentManagerImpl::remove_marker(const BlobId& marker, std::stop_token stop) {
  if (Status s = storage_->remove(marker, stop); !s.ok()) {
    log::warning("content", "session marker {} could not be removed: {}", marker.text, s.message());
  }
}

// Only a flush changes session and runs, and there is one at a time. Where each answer takes long, the marker goes
// while the index is confirmed, which is listing once more: its packs are too young for anybody to remove. If the index
// does not count then, the session gets its marker back, or ends.
Status ContentManagerImpl::flush_index(std::stop_token stop) {
  const auto young = [&] { return options_.clock->now() - session_.start_time < kKeptUnmarked; };
  const BlobId marker = session_marker_;
  bool unmarked = marker.empty();
  std::function<void()> beside;
  if (!unmarked && epochs_ != nullptr && read_style(*storage_).together && young()) {
    beside = [&] {
      unmarked = true;
      remove_marker(marker, stop);
    };
  }
  if (Status published = publish_pending(beside, stop); !published.ok()) {
    if (unmarked && !marker.empty()) {
      Result<BlobId> again = young() ? put_session_marker(*storage_, *crypto_, session_, stop)
                                     : error(Code::failed_precondition, "its session was open for too long");
      const std::lock_guard lock(mutex_);
      if (again.ok()) {
        session_marker_ = std::move(*again);
      } else {
        dead_ = published;
      }
    }
    return published;
  }
  Status complete;
  if (session_open_ && options_.clock->now() - session_.start_time > kSessionTrusted) {
    complete = check_packs_of_session(stop);
  }
  {
    const std::lock_guard lock(mutex_);
    pending_.clear();
    packs_.clear();
    foreign_packs_.clear();
    spilled_.clear();
    session_ = SessionInfo();
    session_marker_ = BlobId();
    session_open_ = false;
    last_index_flush_ = options_.clock->now();
    ++revision_;
  }
  if (!unmarked) {
    remove_marker(marker, stop);
  }
  return complete;
}

}  // namespace cairn::content
