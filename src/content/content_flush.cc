// Uploading packs and publishing their index. Order (kopia-format §10.2): marker, packs, index, marker removed.
#include <algorithm>

#include "base/log.h"
#include "content/content_manager_internal.h"

namespace cairn::content {
namespace {

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

Status ContentManagerImpl::flush_index(std::stop_token stop) {
  index::IndexBuilder builder;
  std::string session_id;
  BlobId marker;
  {
    const std::lock_guard lock(mutex_);
    for (const PendingEntry& e : pending_.entries()) {
      if (e.state == PendingState::ready || e.state == PendingState::marker) {
        builder.add(index_entry(e));
      }
    }
    session_id = session_id_;
    marker = session_marker_;
  }
  if (builder.size() > 0) {
    TRY_ASSIGN(std::vector<Buffer> plain, builder.build(format_.current()->index_version), "building index");
    std::vector<Buffer> copies;
    for (const Buffer& b : plain) {
      copies.push_back(Buffer::copy_of(b.view()));
    }
    TRY_ASSIGN(const auto written, indexes_->write(std::move(plain), session_id, stop), "error writing index");
    for (std::size_t i = 0; i < written.size() && i < copies.size(); ++i) {
      TRY_ASSIGN(auto reader, index::IndexReader::open(std::move(copies[i]), crypto_->encryptor().overhead()));
      TRY(committed_.add(written[i].id, std::make_shared<const index::IndexReader>(std::move(reader))));
    }
  }
  {
    const std::lock_guard lock(mutex_);
    pending_.clear();
    packs_.clear();
    foreign_packs_.clear();
    session_id_.clear();
    session_marker_ = BlobId();
    session_open_ = false;
    last_index_flush_ = options_.clock->now();
    ++revision_;
  }
  if (!marker.empty()) {
    if (Status s = storage_->remove(marker, stop); !s.ok()) {
      log::warning("content", "session marker {} could not be removed: {}", marker.text, s.message());
    }
  }
  return {};
}

}  // namespace cairn::content
