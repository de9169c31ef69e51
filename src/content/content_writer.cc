// Writing contents: hash, deduplicate, compress, seal straight into the pack, decode and compare.
#include <algorithm>

#include "base/random.h"
#include "content/content_manager_internal.h"

namespace cairn::content {
namespace {

constexpr std::size_t kContentSizeMax = (std::size_t{1} << 28) - 4096;  // index field, with room for overheads

int kind_index(char kind) { return kind == 'p' ? 0 : 1; }

// Buffers a thread keeps between contents, so that fresh memory is not mapped per item.
struct Scratch {
  Buffer compressed, decoded;
  std::vector<MutByteView> pieces;
  std::vector<ByteView> views;
};
Scratch& scratch() {
  thread_local Scratch s;
  return s;
}

Status check_with_ecc(const format::UnitCrypto& crypto, const ContentId& id, GatherView stored, ByteView expected) {
  Buffer joined;
  joined.reserve(gather_size(stored));
  for (const ByteView& v : stored) {
    joined.append(v);
  }
  std::size_t repaired = 0;
  TRY_ASSIGN(const Buffer decoded, crypto.open(id.iv(), joined.view(), &repaired));
  if (repaired != 0 || !std::ranges::equal(decoded.view(), expected)) {
    return error(Code::internal, "content {} was encoded with errors", id.text());
  }
  return {};
}

class WriterPass {
 public:
  explicit WriterPass(FlushGate& gate) : gate_(gate) { gate_.enter_writer(); }
  ~WriterPass() { gate_.leave_writer(); }
  WriterPass(const WriterPass&) = delete;
  WriterPass& operator=(const WriterPass&) = delete;

 private:
  FlushGate& gate_;
};

}  // namespace

ContentId ContentManagerImpl::id_of(ByteView data, char prefix) const {
  HashValue h;
  crypto_->hasher().hash(data, h);
  return ContentId::make(prefix, h);
}

Status ContentManagerImpl::check_writable() const {
  if (options_.read_only) {
    return error(Code::permission_denied, "repository is open read-only");
  }
  const std::lock_guard lock(mutex_);
  return dead_;
}

Result<ContentId> ContentManagerImpl::write(ByteView data, char prefix, compress::HeaderId compression,
                                            std::stop_token stop) {
  TRY(check_writable());
  if (data.size() > kContentSizeMax) {
    return error(Code::invalid_argument, "content of {} bytes is too large", data.size());
  }
  if (prefix != 0 && (prefix < 'g' || prefix > 'z')) {
    return error(Code::invalid_argument, "invalid content prefix '{}'", prefix);
  }
  const ContentId id = id_of(data, prefix);
  {
    const std::lock_guard lock(mutex_);
    stats_.bytes_hashed += static_cast<std::int64_t>(data.size());
  }
  TRY(refresh_if_stale(stop));
  Result<ContentId> result = id;
  {
    const WriterPass pass(gate_);
    result = write_in_gate(id, data, prefix, compression, stop);
  }
  TRY(result);
  TRY(maybe_auto_flush(stop));
  return id;
}

std::int64_t ContentManagerImpl::next_timestamp(std::int64_t previous) const {
  return std::max(options_.clock->now().unix_seconds(), previous + 1);
}

Result<ContentId> ContentManagerImpl::write_in_gate(const ContentId& id, ByteView data, char prefix,
                                                    compress::HeaderId compression, std::stop_token stop) {
  TRY_ASSIGN(const auto found, committed_.find(id));
  std::uint32_t position = PendingTable::kNone;
  {
    const std::lock_guard lock(mutex_);
    const std::uint32_t at = pending_.find(id);
    const bool pending_live =
        at != PendingTable::kNone && pending_[at].state != PendingState::forgotten && !pending_[at].deleted;
    const bool superseded = at != PendingTable::kNone && !pending_live;  // deleted in this batch
    if (pending_live || (found && !found->entry.deleted && !found->secondary && !superseded)) {
      ++stats_.contents_reused;
      return id;
    }
    PendingEntry e;
    e.id = id;
    e.timestamp_seconds = options_.clock->now().unix_seconds();
    if (superseded) {
      e.timestamp_seconds = next_timestamp(pending_[at].timestamp_seconds);
    } else if (found) {
      e.timestamp_seconds = next_timestamp(found->entry.timestamp_seconds);
    }
    e.original_length = static_cast<std::uint32_t>(data.size());
    position = pending_.put(e);
  }
  TRY(store(position, data, prefix, compression, stop));
  return id;
}

Status ContentManagerImpl::store(std::uint32_t position, ByteView data, char prefix, compress::HeaderId compression,
                                 std::stop_token stop) {
  const auto stored = [&]() -> Status {
    TRY(ensure_session(stop));
    TRY_ASSIGN(const Encoded encoded, encode(data, compression, scratch().compressed));
    TRY(wait_for_pack_space(crypto_->stored_size(encoded.plain.size()), stop));
    return place(position, data, encoded, prefix, stop);
  };
  Status s = stored();
  if (!s.ok()) {
    const std::lock_guard lock(mutex_);
    pending_[position].state = PendingState::forgotten;
    changed_.notify_all();
  }
  return s;
}

Status ContentManagerImpl::rewrite(const ContentId& id, std::stop_token stop) {
  TRY(check_writable());
  TRY_ASSIGN(const ContentInfo info, this->info(id, stop));
  TRY_ASSIGN(const Buffer plain, read(id, stop));
  {
    const WriterPass pass(gate_);
    std::uint32_t position = PendingTable::kNone;
    {
      const std::lock_guard lock(mutex_);
      if (pending_.find(id) != PendingTable::kNone) {
        return {};  // written anew since the last flush
      }
      PendingEntry e;
      e.id = id;
      e.deleted = info.deleted;
      e.original_length = static_cast<std::uint32_t>(plain.size());
      e.timestamp_seconds = next_timestamp(info.timestamp_seconds);
      position = pending_.put(e);
    }
    TRY(store(position, plain.view(), static_cast<char>(id.prefix), info.compression, stop));
  }
  return maybe_auto_flush(stop);
}

Status ContentManagerImpl::ensure_session(std::stop_token stop) {
  if (session_open_) {
    return {};
  }
  const std::lock_guard once(session_mutex_);
  if (session_open_) {
    return {};
  }
  TRY(format_.parameters(stop));  // upgrade lock and required features, at most 15 minutes old
  SessionInfo info;
  info.start_time = info.checkpoint_time = options_.clock->now();
  info.id = new_session_id(info.start_time);
  info.username = options_.username;
  info.hostname = options_.hostname;
  TRY_ASSIGN(BlobId marker, put_session_marker(*storage_, *crypto_, info, stop));
  const std::lock_guard lock(mutex_);
  session_ = std::move(info);
  session_marker_ = std::move(marker);
  session_open_ = true;
  return {};
}

Status ContentManagerImpl::wait_for_pack_space(std::size_t size, std::stop_token stop) {
  std::unique_lock lock(mutex_);
  const auto open = [&] {
    std::size_t sum = 0;
    for (const PackPtr& p : open_packs_) {
      sum += p == nullptr ? 0 : p->bytes.size();
    }
    return sum;
  };
  changed_.wait(lock, stop, [&] {
    // With nothing to be uploaded, waiting would not make room.
    return upload_bytes_ == 0 || upload_bytes_ + open() + size <= options_.pack_bytes_in_memory_max ||
           !upload_error_.ok() || !dead_.ok();
  });
  if (stop.stop_requested()) {
    return Status(Code::cancelled, "cancelled");
  }
  TRY(dead_);
  return upload_error_;
}

Result<ContentManagerImpl::Encoded> ContentManagerImpl::encode(ByteView data, compress::HeaderId compression,
                                                               Buffer& out) const {
  if (compression == compress::kNone || !supports_content_compression() || data.empty()) {
    return Encoded{data, 0};
  }
  out.clear();
  TRY(compress::compress(compression, data, out));
  if (out.size() >= data.size()) {
    return Encoded{data, 0};
  }
  return Encoded{out.view(), compression};
}

ContentManagerImpl::PackPtr ContentManagerImpl::open_pack(char kind) {
  PackPtr& slot = open_packs_[kind_index(kind)];
  if (slot == nullptr) {
    slot = std::make_shared<Pack>();
    slot->kind = kind;
    slot->id = BlobId(fmt::format("{}{}-{}", kind, random_hex(16), session_.id));
    begin_pack(*slot, replica_);
    slot->number = static_cast<std::uint32_t>(packs_.size());
    packs_.push_back(slot);
  }
  return slot;
}

void ContentManagerImpl::close_pack(PackPtr pack) {
  PackPtr& slot = open_packs_[kind_index(pack->kind)];
  if (slot == pack) {
    slot = nullptr;
  }
  pack->state = PackState::closed;
  pack->size_when_closed = pack->bytes.size();
  upload_bytes_ += pack->size_when_closed;
  if (pack->sealing == 0) {
    enqueue(std::move(pack));
  }
}

void ContentManagerImpl::enqueue(PackPtr pack) {
  upload_queue_.push_back(std::move(pack));
  queued_.notify_one();
}

Status ContentManagerImpl::place(std::uint32_t position, ByteView data, const Encoded& encoded, char prefix,
                                 std::stop_token) {
  const std::size_t stored_size = crypto_->stored_size(encoded.plain.size());
  const auto limit = static_cast<std::size_t>(format_.current()->max_pack_size);
  std::vector<MutByteView>& pieces = scratch().pieces;
  pieces.clear();
  PackPtr pack;
  ContentId id;
  {
    const std::lock_guard lock(mutex_);
    pack = open_pack(prefix == 0 ? 'p' : 'q');
    PendingEntry& e = pending_[position];
    id = e.id;
    e.pack = pack->number;
    e.pack_offset = static_cast<std::uint32_t>(pack->bytes.size());
    e.packed_length = static_cast<std::uint32_t>(stored_size);
    e.compression = encoded.compression;
    e.format_version = static_cast<std::uint8_t>(format_.current()->version);
    pack->bytes.reserve(stored_size, pieces);
    pack->entries.push_back(position);
    ++pack->sealing;
    if (pack->bytes.size() >= limit) {
      close_pack(pack);
    }
  }
  const Status sealed = seal_into(id, data, encoded, pieces);
  const std::lock_guard lock(mutex_);
  --pack->sealing;
  if (!sealed.ok()) {
    // The pack holds bytes that do not decode: it, and everything that was to follow, must not leave the process.
    dead_ = sealed.with_frame("verification before upload");
    pack->state = PackState::abandoned;
    changed_.notify_all();
    return dead_;
  }
  pending_[position].state = PendingState::ready;
  ++stats_.contents_new;
  stats_.bytes_new_original += static_cast<std::int64_t>(data.size());
  stats_.bytes_new_packed += static_cast<std::int64_t>(stored_size);
  if (pack->sealing == 0 && pack->state == PackState::closed) {
    enqueue(pack);
  }
  changed_.notify_all();
  return {};
}

// Encrypts (and ECC-encodes) into the pack, then decodes what stands there and compares it with the input.
Status ContentManagerImpl::seal_into(const ContentId& id, ByteView data, const Encoded& encoded,
                                     std::span<const MutByteView> out) const {
  if (crypto_->has_ecc()) {
    TRY_ASSIGN(const Buffer stored, crypto_->seal(id.iv(), encoded.plain));
    ByteView rest = stored.view();
    for (const MutByteView& piece : out) {
      std::copy_n(rest.data(), piece.size(), piece.data());
      rest = rest.subspan(piece.size());
    }
  } else {
    const ByteView parts[] = {encoded.plain};
    TRY(crypto_->encryptor().seal(id.iv(), parts, out));
  }
#ifdef CAIRN_ENCODER_ERRS
  // Build of the tests that prove the check below: every 50th content is damaged on its way into the pack.
  static std::atomic<int> count{0};
  if (++count % 50 == 0) {
    out.back().back() ^= 1;
  }
#endif
  std::vector<ByteView>& views = scratch().views;
  views.assign(out.begin(), out.end());
  if (crypto_->has_ecc()) {
    TRY(check_with_ecc(*crypto_, id, views, encoded.plain));
  } else {
    TRY(crypto_->encryptor().check(id.iv(), views, encoded.plain), "content {}", id.text());
  }
  if (encoded.compression == 0) {
    return {};
  }
  return check_compressed(id, data, encoded);
}

Status ContentManagerImpl::check_compressed(const ContentId& id, ByteView data, const Encoded& encoded) const {
  // Large contents take turns with one buffer: decoding is a small part of their cost, a buffer each is not.
  static constexpr std::size_t kLarge = std::size_t{1} << 20;
  static std::mutex turn;
  static Buffer shared;
  std::unique_lock<std::mutex> lock(turn, std::defer_lock);
  if (data.size() > kLarge) {
    lock.lock();
  }
  Buffer& decoded = lock.owns_lock() ? shared : scratch().decoded;
  decoded.clear();
  TRY(compress::decompress(encoded.compression, encoded.plain, decoded, data.size(), data.size()), "content {}",
      id.text());
  if (!std::ranges::equal(decoded.view(), data)) {
    return error(Code::internal, "content {} does not decompress to what was written", id.text());
  }
  return {};
}

Status ContentManagerImpl::remove(const ContentId& id, std::stop_token stop) {
  TRY(check_writable());
  TRY(maybe_auto_flush(stop));
  // The mark is a copy of the entry with a later time. Nothing that may take long stands between the look and the copy:
  // after days in the call for the session marker it would name a pack that others have moved the content out of.
  TRY(ensure_session(stop));
  TRY(refresh_if_stale(stop));
  const WriterPass pass(gate_);
  TRY_ASSIGN(const auto found, committed_.find(id));
  {
    std::unique_lock lock(mutex_);
    const std::uint32_t at = pending_.find(id);
    if (at != PendingTable::kNone) {
      changed_.wait(lock, stop, [&] { return pending_[at].state != PendingState::encoding; });
      PendingEntry& e = pending_[at];
      if (e.state == PendingState::marker && e.deleted) {
        return {};
      }
      if (e.state == PendingState::ready && !found) {
        e.state = PendingState::forgotten;
        ++revision_;
        return {};
      }
    }
    if (!found) {
      return error(Code::not_found, "content {} not found", id.text());
    }
    if (found->entry.deleted && at == PendingTable::kNone) {
      return {};
    }
  }
  TRY(ensure_session(stop));
  const std::lock_guard lock(mutex_);
  const std::uint32_t at = pending_.find(id);
  PendingEntry e;
  e.id = id;
  e.state = PendingState::marker;
  e.deleted = true;
  e.format_version = found->entry.format_version;
  e.pack_offset = found->entry.pack_offset;
  e.packed_length = found->entry.packed_length;
  e.original_length = found->entry.original_length;
  e.compression = found->entry.compression;
  e.timestamp_seconds = next_timestamp(
      std::max(found->entry.timestamp_seconds, at == PendingTable::kNone ? 0 : pending_[at].timestamp_seconds));
  e.pack = static_cast<std::uint32_t>(foreign_packs_.size());
  foreign_packs_.emplace_back(found->entry.pack);
  pending_.put(e);
  ++revision_;
  return {};
}

Status ContentManagerImpl::maybe_auto_flush(std::stop_token stop) {
  bool publish = false;
  {
    const std::lock_guard lock(mutex_);
    publish = options_.clock->now() - last_index_flush_ >= options_.index_flush_interval;
    const bool spill = pending_.size() >= options_.pending_entries_max;
    if ((!publish && !spill) || hold_index_ || (pending_.size() == 0 && spilled_.empty())) {
      return {};
    }
    if (publish) {
      last_index_flush_ = options_.clock->now();  // one thread flushes, the others go on
    }
  }
  return publish ? flush(stop) : spill_pending(stop);
}

}  // namespace cairn::content
