// The one implementation of ContentManager; for this folder only.
#pragma once

#include <array>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "content/committed_index.h"
#include "content/content_manager.h"
#include "content/pack.h"
#include "content/pending_table.h"
#include "content/session.h"
#include "index/index_merge.h"

namespace cairn::content {

// Many writers, or one flush. A waiting flush holds new writers back.
class FlushGate {
 public:
  void enter_writer() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !exclusive_ && waiting_ == 0; });
    ++writers_;
  }
  void leave_writer() {
    const std::lock_guard lock(mutex_);
    if (--writers_ == 0) {
      changed_.notify_all();
    }
  }
  void enter_flush() {
    std::unique_lock lock(mutex_);
    ++waiting_;
    changed_.wait(lock, [&] { return !exclusive_ && writers_ == 0; });
    --waiting_;
    exclusive_ = true;
  }
  void leave_flush() {
    const std::lock_guard lock(mutex_);
    exclusive_ = false;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int writers_ = 0, waiting_ = 0;
  bool exclusive_ = false;
};

class ContentManagerImpl final : public ContentManager {
 public:
  ContentManagerImpl(std::shared_ptr<blob::Storage> storage, format::FormatManager& format, ContentOptions options);
  ~ContentManagerImpl() override;
  Status init(std::stop_token stop);

  Result<ContentId> write(ByteView data, char prefix, compress::HeaderId compression, std::stop_token stop) override;
  ContentId id_of(ByteView data, char prefix) const override;
  Result<Buffer> read(const ContentId& id, std::stop_token stop) override;
  Result<ContentInfo> info(const ContentId& id, std::stop_token stop) override;
  Status remove(const ContentId& id, std::stop_token stop) override;
  Status rewrite(const ContentId& id, std::stop_token stop) override;
  Status flush(std::stop_token stop) override;
  void hold_index_flush(bool hold) override;
  Status iterate(const IterateOptions& options, const std::function<Status(const ContentInfo&)>& fn,
                 std::stop_token stop) override;
  std::size_t count() const override { return committed_.entry_count(); }
  Status refresh(std::stop_token stop) override;
  std::uint64_t revision() const override { return revision_; }
  WriteStats stats() const override;
  bool supports_content_compression() const override;
  index::IndexManager& indexes() override { return *indexes_; }
  index::EpochManager* epochs() override { return epochs_; }
  const format::UnitCrypto& crypto() const override { return *crypto_; }
  blob::Storage& storage() override { return *storage_; }
  bool read_only() const override { return options_.read_only; }
  const std::string& scratch_directory() const override { return options_.cache.directory; }

 private:
  using PackPtr = std::shared_ptr<Pack>;
  struct Encoded {
    ByteView plain;  // what is sealed: raw data, or header ‖ compressed stream
    compress::HeaderId compression = 0;
  };

  // Writing (content_writer.cc).
  Status check_writable() const;
  Status ensure_session(std::stop_token stop);
  Status wait_for_pack_space(std::size_t size, std::stop_token stop);
  Result<ContentId> write_in_gate(const ContentId& id, ByteView data, char prefix, compress::HeaderId compression,
                                  std::stop_token stop);
  Status store(std::uint32_t position, ByteView data, char prefix, compress::HeaderId compression,
               std::stop_token stop);
  Result<Encoded> encode(ByteView data, compress::HeaderId compression, Buffer& scratch) const;
  Status place(std::uint32_t position, ByteView data, const Encoded& encoded, char prefix, std::stop_token stop);
  Status seal_into(const ContentId& id, ByteView data, const Encoded& encoded, std::span<const MutByteView> out) const;
  Status check_compressed(const ContentId& id, ByteView data, const Encoded& encoded) const;
  PackPtr open_pack(char kind);   // mutex_ held
  void close_pack(PackPtr pack);  // mutex_ held
  void enqueue(PackPtr pack);     // mutex_ held
  Status maybe_auto_flush(std::stop_token stop);
  std::int64_t next_timestamp(std::int64_t previous) const;
  void kill_session(const Status& why);

  // Uploading and flushing (content_flush.cc).
  void upload_loop(std::stop_token stop);
  Status upload(Pack& pack, std::stop_token stop);
  Status finish_for_upload(Pack& pack);
  void keep_metadata(const BlobId& pack, GatherView parts, std::size_t size);
  void keep_index(const BlobId& id, ByteView plain);
  Status flush_in_gate(std::stop_token stop);
  Status flush_packs(std::stop_token stop);
  Status flush_index(std::stop_token stop);
  Result<index::IndexBuilder> pending_index() const;
  Status spill_pending(std::stop_token stop);
  Status publish(Buffer plaintext, const std::function<void()>& beside, std::stop_token stop);
  Status publish_pending(const std::function<void()>& beside, std::stop_token stop);
  void remove_marker(const BlobId& marker, std::stop_token stop);
  Status check_packs_of_session(std::stop_token stop);
  index::Entry index_entry(const PendingEntry& e) const;

  // Reading (content_reader.cc).
  struct Located {
    ContentInfo info;
    PackPtr pending_pack;  // bytes are still in memory
  };
  Result<std::optional<Located>> locate(const ContentId& id);
  Result<Buffer> fetch(const Located& at, std::stop_token stop);
  Result<Buffer> fetch_metadata(const ContentInfo& info, std::stop_token stop);
  Result<Buffer> decode(const ContentInfo& info, ByteView stored) const;
  Status refresh_if_stale(std::stop_token stop);
  using ReaderPtr = CommittedIndex::ReaderPtr;
  Result<ReaderPtr> load_index_blob(const BlobId& id, std::stop_token stop);
  Status load_index_blobs(const std::vector<blob::BlobMetadata>& blobs, std::map<BlobId, ReaderPtr>& readers,
                          std::stop_token stop);

  const std::shared_ptr<blob::Storage> storage_;
  format::FormatManager& format_;
  const ContentOptions options_;
  std::shared_ptr<const format::UnitCrypto> crypto_;
  std::unique_ptr<index::IndexManager> indexes_;
  index::EpochManager* epochs_ = nullptr;
  std::unique_ptr<BlobCache> index_cache_, metadata_cache_;
  std::atomic<bool> metadata_cache_works_{true};
  std::array<std::mutex, 2> metadata_fetch_;  // whole packs in memory at one time
  Bytes replica_;                             // framed format blob, empty unless packs carry it

  index::PlaintextStore plaintexts_;
  CommittedIndex committed_;
  std::atomic<std::uint64_t> revision_{1};
  std::mutex refresh_mutex_;
  std::atomic<std::int64_t> last_refresh_ns_{0};

  FlushGate gate_;
  std::mutex session_mutex_;
  std::atomic<bool> session_open_{false};

  // All below: guarded by mutex_.
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;  // packs or entries advanced
  std::condition_variable_any queued_;   // a pack waits for upload
  PendingTable pending_;
  std::vector<PackPtr> packs_;              // of the current index batch, by number
  std::vector<std::string> foreign_packs_;  // pack names of deletion markers
  PackPtr open_packs_[2];                   // p, q
  std::deque<PackPtr> upload_queue_;
  std::size_t upload_bytes_ = 0;  // closed but not stored
  // Entries of the batch that no longer fit into pending_, as sorted runs: known to this process through committed_,
  // not yet published.
  std::map<BlobId, CommittedIndex::ReaderPtr> spilled_;
  SessionInfo session_;  // its id is empty when there is none
  BlobId session_marker_;
  Status dead_;          // an encoder erred: nothing more may be written
  Status upload_error_;  // latest failed upload; flush() retries
  Timestamp last_index_flush_;
  bool hold_index_ = false;
  WriteStats stats_;

  std::vector<std::jthread> uploaders_;
};

}  // namespace cairn::content
