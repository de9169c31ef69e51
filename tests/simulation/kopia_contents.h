// Contents as Kopia writes, reuses, marks, moves and reads them (kopia-format §7, 8.5, 10; kopia-model §11.6), for the
// objects and manifests above. One thread.
#pragma once

#include "content/content_manager.h"
#include "content/pack.h"
#include "tests/simulation/kopia_index.h"

namespace cairn::simulation {

class KopiaContents final : public content::ContentManager {
 public:
  struct Options {
    std::string username, hostname;
    bool read_only = false;
  };
  static Result<std::unique_ptr<KopiaContents>> open(std::shared_ptr<blob::Storage> storage,
                                                     format::FormatManager& format, const Clock& clock,
                                                     KopiaCache* cache, Options options);

  Result<ContentId> write(ByteView data, char prefix, compress::HeaderId compression, std::stop_token stop) override;
  ContentId id_of(ByteView data, char prefix) const override;
  Result<Buffer> read(const ContentId& id, std::stop_token stop) override;
  Result<content::ContentInfo> info(const ContentId& id, std::stop_token stop) override;
  Status remove(const ContentId& id, std::stop_token stop) override;
  Status rewrite(const ContentId& id, std::stop_token stop) override;
  Status flush(std::stop_token stop) override;
  void hold_index_flush(bool hold) override { hold_index_ = hold; }
  Status iterate(const content::IterateOptions& options, const std::function<Status(const content::ContentInfo&)>& fn,
                 std::stop_token stop) override;
  std::size_t count() const override { return committed_.size(); }
  Status refresh(std::stop_token stop) override;
  std::uint64_t revision() const override { return revision_; }
  content::WriteStats stats() const override { return {}; }
  bool supports_content_compression() const override { return index_.version() >= 2; }
  index::IndexManager& indexes() override;
  index::EpochManager* epochs() override { return nullptr; }
  const format::UnitCrypto& crypto() const override { return *crypto_; }
  blob::Storage& storage() override { return *storage_; }
  bool read_only() const override { return options_.read_only; }
  const std::string& scratch_directory() const override {
    static const std::string none;
    return none;
  }

  KopiaIndex& index() { return index_; }
  // During maintenance what is known of others' writes stays as it is.
  void set_periodic_refresh(bool on) { periodic_refresh_ = on; }
  // The winning entry, hidden or not; null when no index blob in force has one.
  const content::ContentInfo* raw(const ContentId& id) const;
  bool hidden(const content::ContentInfo& i) const { return i.deleted && i.timestamp_seconds <= watermark_; }

 private:
  KopiaContents(std::shared_ptr<blob::Storage> storage, format::FormatManager& format,
                std::unique_ptr<format::UnitCrypto> crypto, const Clock& clock, KopiaCache* cache, Options options);
  Status refresh_if_stale();
  const content::ContentInfo* find(const ContentId& id) const;
  Result<Buffer> fetch(const content::ContentInfo& at);
  Status append(const ContentId& id, ByteView plain, bool deleted, std::int64_t timestamp);
  Status open_session();
  Status put_pack(content::Pack& pack);

  const std::shared_ptr<blob::Storage> storage_;
  format::FormatManager& format_;
  const std::unique_ptr<format::UnitCrypto> crypto_;
  const Clock& clock_;
  const Options options_;
  KopiaCache* const cache_;
  KopiaIndex index_;
  std::map<ContentId, content::ContentInfo> committed_, pending_;
  std::map<ContentId, Bytes> plain_;  // of what is in no stored pack yet
  std::int64_t watermark_ = 0;
  std::map<char, std::unique_ptr<content::Pack>> open_;
  std::vector<std::unique_ptr<content::Pack>> closed_;  // still to be stored, with the same bytes each time
  std::string session_;
  BlobId marker_;
  Timestamp refreshed_ = Timestamp::zero(), flushed_;
  bool hold_index_ = false, periodic_refresh_ = true;
  std::uint64_t revision_ = 1;
};

}  // namespace cairn::simulation
