#include "tests/simulation/kopia_contents.h"

#include "base/random.h"
#include "base/sleep.h"
#include "compress/codec.h"
#include "content/content_info.h"
#include "content/session.h"

namespace cairn::simulation {
namespace {

using content::entry_of;
using content::info_of;

constexpr Duration kRefreshEvery = minutes(15);
constexpr Duration kFlushEvery = minutes(10);
constexpr int kAttemptsMax = 10;

}  // namespace

KopiaContents::KopiaContents(std::shared_ptr<blob::Storage> storage, format::FormatManager& format,
                             std::unique_ptr<format::UnitCrypto> crypto, const Clock& clock, KopiaCache* cache,
                             Options options)
    : storage_(std::move(storage)),
      format_(format),
      crypto_(std::move(crypto)),
      clock_(clock),
      options_(std::move(options)),
      cache_(cache),
      index_(*storage_, *crypto_, format_, clock_, cache),
      flushed_(clock.now()) {}

Result<std::unique_ptr<KopiaContents>> KopiaContents::open(std::shared_ptr<blob::Storage> storage,
                                                           format::FormatManager& format, const Clock& clock,
                                                           KopiaCache* cache, Options options) {
  TRY_ASSIGN(auto crypto, format::UnitCrypto::create(*format.current()));
  std::unique_ptr<KopiaContents> out(
      new KopiaContents(std::move(storage), format, std::move(crypto), clock, cache, std::move(options)));
  TRY(out->refresh({}));
  return out;
}

index::IndexManager& KopiaContents::indexes() { CHECK(false, "not asked for by the layers above"); }

Status KopiaContents::refresh(std::stop_token) {
  index_.invalidate();
  Duration wait = milliseconds(100);
  for (int attempt = 0;; ++attempt, wait = wait * 2) {
    const Timestamp started = clock_.now();
    TRY_ASSIGN(const KopiaIndex::Blobs active, index_.active());
    TRY_ASSIGN(const KopiaIndex::State state, index_.state());
    std::map<ContentId, content::ContentInfo> merged;
    Status failed;
    for (const auto& blob : active) {
      const auto reader = index_.load(blob.id);
      if (!reader.ok()) {
        failed = reader.status();
        break;
      }
      for (std::size_t i = 0; i < (*reader)->size(); ++i) {
        TRY_ASSIGN(const index::Entry e, (*reader)->at(i));
        const auto [at, added] = merged.try_emplace(e.id, info_of(e));
        if (!added && index::beats(e, entry_of(at->second))) {
          at->second = info_of(e);
        }
      }
    }
    if (failed.ok()) {
      committed_ = std::move(merged);
      watermark_ = state.watermark;
      refreshed_ = started;
      ++revision_;
      return {};
    }
    if (!failed.is(Code::not_found) || attempt + 1 >= kAttemptsMax) {
      return failed;
    }
    index_.invalidate();
    sleep_for(wait, {});
  }
}

Status KopiaContents::refresh_if_stale() {
  return periodic_refresh_ && clock_.now() - refreshed_ >= kRefreshEvery ? refresh({}) : Status();
}

const content::ContentInfo* KopiaContents::raw(const ContentId& id) const {
  if (const auto own = pending_.find(id); own != pending_.end()) {
    return &own->second;
  }
  const auto it = committed_.find(id);
  return it == committed_.end() ? nullptr : &it->second;
}

const content::ContentInfo* KopiaContents::find(const ContentId& id) const {
  const content::ContentInfo* found = raw(id);
  return found == nullptr || hidden(*found) ? nullptr : found;
}

ContentId KopiaContents::id_of(ByteView data, char prefix) const {
  HashValue h;
  crypto_->hasher().hash(data, h);
  return ContentId::make(prefix, h);
}

Status KopiaContents::open_session() {
  if (!session_.empty()) {
    return {};
  }
  content::SessionInfo info;
  info.start_time = info.checkpoint_time = clock_.now();
  info.id = content::new_session_id(info.start_time);
  info.username = options_.username;
  info.hostname = options_.hostname;
  TRY_ASSIGN(marker_, content::put_session_marker(*storage_, *crypto_, info, {}));
  session_ = info.id;
  return {};
}

Status KopiaContents::append(const ContentId& id, ByteView plain, bool deleted, std::int64_t timestamp) {
  TRY(open_session());
  const char kind = id.prefix == 0 ? 'p' : 'q';
  auto& pack = open_[kind];
  if (pack == nullptr) {
    pack = std::make_unique<content::Pack>();
    pack->kind = kind;
    pack->id = BlobId(fmt::format("{}{}-{}", kind, random_hex(16), session_));
    content::begin_pack(*pack, {});
  }
  TRY_ASSIGN(const Buffer sealed, crypto_->seal(id.iv(), plain));
  content::ContentInfo& i = pending_[id];
  i = {};
  i.id = id;
  i.pack = pack->id;
  i.pack_offset = static_cast<std::uint32_t>(pack->bytes.size());
  i.packed_length = static_cast<std::uint32_t>(sealed.size());
  i.original_length = static_cast<std::uint32_t>(plain.size());
  i.timestamp_seconds = timestamp;
  i.format_version = static_cast<std::uint8_t>(format_.current()->version);
  i.deleted = deleted;
  pack->bytes.append(sealed.view());
  plain_[id].assign(plain.begin(), plain.end());
  ++revision_;
  return {};
}

// A content is reused only when the index shows it and it is not marked.
Result<ContentId> KopiaContents::write(ByteView data, char prefix, compress::HeaderId, std::stop_token stop) {
  TRY(refresh_if_stale());
  const ContentId id = id_of(data, prefix);
  const content::ContentInfo* there = raw(id);
  if (there == nullptr || there->deleted) {
    const std::int64_t now = clock_.now().unix_seconds();
    TRY(append(id, data, false, there == nullptr ? now : std::max(now, there->timestamp_seconds + 1)));
  }
  if (!hold_index_ && clock_.now() - flushed_ >= kFlushEvery) {
    TRY(flush(stop));
  }
  return id;
}

// Metadata packs come whole and stay in the cache.
Result<Buffer> KopiaContents::fetch(const content::ContentInfo& at) {
  if (cache_ == nullptr || !at.pack.starts_with("q")) {
    return storage_->get(at.pack, {at.pack_offset, at.packed_length}, {});
  }
  auto kept = cache_->metadata.find(at.pack.text);
  if (kept == cache_->metadata.end()) {
    TRY_ASSIGN(Buffer whole, storage_->get(at.pack, {}, {}));
    kept = cache_->metadata.emplace(at.pack.text, std::move(whole)).first;
  }
  const ByteView pack = kept->second.view();
  if (at.pack_offset + std::size_t{at.packed_length} > pack.size()) {
    return error(Code::corrupt, "blob {} is shorter than its index says", at.pack.text);
  }
  return Buffer::copy_of(pack.subspan(at.pack_offset, at.packed_length));
}

Result<Buffer> KopiaContents::read(const ContentId& id, std::stop_token stop) {
  TRY(refresh_if_stale());
  for (bool again = false;; again = true) {
    if (const auto own = plain_.find(id); own != plain_.end()) {
      return Buffer::copy_of(own->second);
    }
    const content::ContentInfo* i = find(id);
    if (i == nullptr) {
      return error(Code::not_found, "content {} not found", id.text());
    }
    const content::ContentInfo at = *i;
    auto stored = fetch(at);
    if (stored.code() == Code::not_found && !again) {
      TRY(refresh(stop));  // a rewrite may have moved it
      continue;
    }
    TRY(stored, "content {} in {}", id.text(), at.pack.text);
    TRY_ASSIGN(Buffer plain, crypto_->open(id.iv(), stored->view()), "content {} in {}", id.text(), at.pack.text);
    if (at.compression != 0) {
      Buffer raw;
      TRY(compress::decompress(at.compression, plain.view(), raw, at.original_length), "content {}", id.text());
      return raw;
    }
    return plain;
  }
}

Result<content::ContentInfo> KopiaContents::info(const ContentId& id, std::stop_token) {
  TRY(refresh_if_stale());
  const content::ContentInfo* i = find(id);
  if (i == nullptr) {
    return error(Code::not_found, "content {} not found", id.text());
  }
  return content::ContentInfo(*i);
}

// A mark is a copy of the entry as this client knows it.
Status KopiaContents::remove(const ContentId& id, std::stop_token) {
  TRY(refresh_if_stale());
  if (pending_.contains(id) && !committed_.contains(id)) {
    pending_.erase(id);
    plain_.erase(id);
    ++revision_;
    return {};
  }
  const content::ContentInfo* i = find(id);
  if (i == nullptr) {
    return error(Code::not_found, "content {} not found", id.text());
  }
  content::ContentInfo mark = *i;
  mark.deleted = true;
  mark.timestamp_seconds = std::max(clock_.now().unix_seconds(), i->timestamp_seconds + 1);
  pending_[id] = mark;
  ++revision_;
  return {};
}

Status KopiaContents::rewrite(const ContentId& id, std::stop_token stop) {
  TRY_ASSIGN(const content::ContentInfo was, info(id, stop));
  TRY_ASSIGN(const Buffer plain, read(id, stop));
  return append(id, plain.view(), was.deleted, std::max(clock_.now().unix_seconds(), was.timestamp_seconds + 1));
}

Status KopiaContents::put_pack(content::Pack& pack) {
  if (!pack.finished) {
    index::IndexBuilder local;
    for (const auto& [id, i] : pending_) {
      if (i.pack == pack.id) {
        local.add(entry_of(i));
      }
    }
    if (local.empty()) {
      return {};
    }
    TRY(content::finish_pack(pack, local, index_.version(), *crypto_));
  }
  std::vector<ByteView> parts;
  pack.bytes.pieces(0, pack.bytes.size(), parts);
  return storage_->put(pack.id, parts, blob::PutOptions{}, {}).status();
}

// §10.2: packs, index, marker removed. What is pending stays so when anything fails.
Status KopiaContents::flush(std::stop_token) {
  if (options_.read_only) {
    return {};
  }
  for (auto& [kind, pack] : open_) {
    closed_.push_back(std::move(pack));
  }
  open_.clear();
  for (; !closed_.empty(); closed_.pop_back()) {
    TRY(put_pack(*closed_.back()));
  }
  if (hold_index_) {
    return {};
  }
  index::IndexBuilder builder;
  for (const auto& [id, i] : pending_) {
    builder.add(entry_of(i));
  }
  if (!builder.empty()) {
    TRY_ASSIGN(const std::vector<Buffer> shards, builder.build(index_.version()));
    TRY(open_session());
    TRY(index_.write(shards, session_));
  }
  for (const auto& [id, i] : pending_) {
    committed_[id] = i;
  }
  pending_.clear();
  plain_.clear();
  flushed_ = clock_.now();
  ++revision_;
  if (!marker_.empty()) {
    (void)storage_->remove(marker_, {});
  }
  marker_ = BlobId();
  session_.clear();
  return {};
}

Status KopiaContents::iterate(const content::IterateOptions& options,
                              const std::function<Status(const content::ContentInfo&)>& fn, std::stop_token) {
  TRY(refresh_if_stale());
  std::map<ContentId, content::ContentInfo> all = committed_;
  for (const auto& [id, i] : pending_) {
    all[id] = i;
  }
  for (const auto& [id, i] : all) {
    const std::string text = id.text();
    const bool inside = text >= options.first && (options.last.empty() || text < options.last);
    if (inside && !hidden(i) && (options.include_deleted || !i.deleted)) {
      TRY(fn(i));
    }
  }
  return {};
}

}  // namespace cairn::simulation
