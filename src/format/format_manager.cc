#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>

#include "base/log.h"
#include "base/sleep.h"
#include "crypto/kdf.h"
#include "format/format_cache.h"
#include "format/repository_format.h"

namespace cairn::format {
namespace {

constexpr std::size_t kFormatBlobSizeMax = 1 << 20;
constexpr std::size_t kCacheKeySize = 16;
constexpr std::size_t kMaintenanceKeySize = 32;
constexpr Duration kLockPollFirst = seconds(1);
constexpr Duration kLockPollMax = seconds(30);

// Lets one thread at a time through, without holding a lock while it does I/O.
class Turnstile {
 public:
  class Pass {
   public:
    explicit Pass(Turnstile* t) : turnstile_(t) {}
    Pass(Pass&& o) noexcept : turnstile_(std::exchange(o.turnstile_, nullptr)) {}
    Pass& operator=(Pass&&) = delete;
    ~Pass() {
      if (turnstile_ != nullptr) {
        turnstile_->leave();
      }
    }

   private:
    Turnstile* turnstile_;
  };
  Result<Pass> enter(std::stop_token stop) {
    std::unique_lock lock(mutex_);
    if (!free_.wait(lock, stop, [this] { return !busy_; })) {
      return error(Code::cancelled, "cancelled");
    }
    busy_ = true;
    return Pass(this);
  }

 private:
  void leave() {
    {
      const std::lock_guard lock(mutex_);
      busy_ = false;
    }
    free_.notify_one();
  }
  std::mutex mutex_;
  std::condition_variable_any free_;
  bool busy_ = false;
};

// Everything one read of the format gives.
struct Loaded {
  FormatBlob blob;
  std::shared_ptr<const Parameters> parameters;
  BlobConfig config;
  Timestamp read_at;
};

class Manager final : public FormatManager {
 public:
  Manager(std::shared_ptr<blob::Storage> storage, Options options)
      : storage_(std::move(storage)), options_(std::move(options)), cache_(options_.cache_directory) {
    const Duration d = options_.cache_duration;
    cache_duration_ = d.ns > 0 ? std::min(d, kCacheDurationMax) : kCacheDurationMax;
  }

  Status start(std::string_view password, std::stop_token stop);

  Result<std::shared_ptr<const Parameters>> parameters(std::stop_token stop) override;
  std::shared_ptr<const Parameters> current() const override {
    const std::lock_guard lock(mutex_);
    return loaded_.parameters;
  }
  BlobConfig blob_config() const override {
    const std::lock_guard lock(mutex_);
    return loaded_.config;
  }
  ByteView unique_id() const override { return unique_id_; }
  std::string unique_id_hex() const override { return hex_encode(unique_id_); }
  std::string key_algorithm() const override {
    const std::lock_guard lock(mutex_);
    return loaded_.blob.key_algorithm;
  }
  Bytes format_blob_bytes() const override {
    const std::lock_guard lock(mutex_);
    return loaded_.blob.raw;
  }
  ByteView format_key() const override {
    const std::lock_guard lock(mutex_);
    return keys_.back().view();
  }
  Status update(const std::function<Status(Parameters&, BlobConfig&)>& change, std::stop_token stop) override;
  Status change_password(std::string_view new_password, std::stop_token stop) override;
  SecretBytes cache_key() const override {
    const auto p = current();
    return crypto::hkdf_sha256(p->enable_password_change ? p->secret.view() : format_key(), unique_id_,
                               as_bytes("local-cache-integrity"), kCacheKeySize);
  }
  SecretBytes maintenance_key() const override {
    const auto p = current();
    return crypto::hkdf_sha256(p->enable_password_change ? p->master_key.view() : format_key(), unique_id_,
                               as_bytes("maintenance schedule"), kMaintenanceKeySize);
  }

 private:
  struct Raw {
    Bytes format;
    std::optional<Bytes> config;
    Timestamp read_at;
    bool from_cache = false;
  };
  Result<Raw> read_raw(bool use_cache, std::stop_token stop) const;
  Result<Loaded> decode(const Raw& raw, ByteView key) const;
  Result<Loaded> load(bool use_cache, std::stop_token stop) const;
  Result<Loaded> load_first(std::string_view password, std::stop_token stop);
  Result<Loaded> load_with_password(const Raw& raw, std::string_view password);
  Status wait_for_lock(std::stop_token stop);
  Status check_lock(const Parameters& p) const;
  bool fresh(const Loaded& l) const { return options_.clock->now() < l.read_at + cache_duration_; }
  Status store(const Loaded& old, const Parameters& p, const BlobConfig& config, ByteView key, bool new_key,
               std::stop_token stop);
  Status put_blob(const char* id, ByteView bytes, const BlobConfig& config, std::stop_token stop) const;
  void publish(Loaded loaded) {
    const std::lock_guard lock(mutex_);
    loaded_ = std::move(loaded);
  }
  void expire() {
    cache_.remove(kFormatBlobId);
    cache_.remove(kBlobConfigBlobId);
    const std::lock_guard lock(mutex_);
    loaded_.read_at = {0};
  }

  const std::shared_ptr<blob::Storage> storage_;
  const Options options_;
  const FormatCache cache_;
  Duration cache_duration_;
  Bytes unique_id_;
  mutable std::mutex mutex_;
  Loaded loaded_;
  std::deque<SecretBytes> keys_;  // the last one is in force; none is dropped, views of them are out
  Turnstile turnstile_;
};

Result<Manager::Raw> Manager::read_raw(bool use_cache, std::stop_token stop) const {
  Raw raw;
  const Timestamp now = options_.clock->now();
  raw.read_at = now;
  const auto fetch = [&](const char* id) -> Result<Bytes> {
    if (use_cache) {
      if (auto cached = cache_.get(id, cache_duration_, now)) {
        raw.read_at = std::min(raw.read_at, cached->read_at);
        raw.from_cache = true;
        return std::move(cached->bytes);
      }
    }
    TRY_ASSIGN(const Buffer bytes, storage_->get(BlobId(id), {0, -1}, stop));
    if (bytes.size() > kFormatBlobSizeMax) {
      return error(Code::corrupt, "{} is too large", id);
    }
    cache_.put(id, bytes);
    return Bytes(bytes.view().begin(), bytes.view().end());
  };
  auto format = fetch(kFormatBlobId);
  if (format.code() == Code::not_found) {
    return error(Code::not_found, "repository not initialized in the provided storage");
  }
  TRY(format, "unable to read format blob");
  raw.format = std::move(*format);
  auto config = fetch(kBlobConfigBlobId);
  if (config.ok()) {
    raw.config = std::move(*config);
  } else if (config.code() != Code::not_found) {
    return std::move(config).status().with_frame("unable to read blobcfg blob");
  }
  return raw;
}

Result<Loaded> Manager::decode(const Raw& raw, ByteView key) const {
  Loaded l;
  l.read_at = raw.read_at;
  TRY_ASSIGN(l.blob, FormatBlob::parse(raw.format));
  TRY_ASSIGN(Parameters p, open_parameters(l.blob, key));
  if (raw.config) {
    TRY_ASSIGN(l.config, open_blob_config(*raw.config, key, l.blob.unique_id), "deserialize blob config");
  }
  l.parameters = std::make_shared<const Parameters>(std::move(p));
  return l;
}

Result<Loaded> Manager::load(bool use_cache, std::stop_token stop) const {
  TRY_ASSIGN(const Raw raw, read_raw(use_cache, stop));
  auto loaded = decode(raw, format_key());
  if (!loaded.ok() && raw.from_cache) {
    return load(false, stop);
  }
  return loaded;
}

Result<Loaded> Manager::load_with_password(const Raw& raw, std::string_view password) {
  TRY_ASSIGN(const FormatBlob blob, FormatBlob::parse(raw.format));
  TRY_ASSIGN(SecretBytes key, derive_format_key(blob, password));
  TRY_ASSIGN(Loaded loaded, decode(raw, key.view()));
  unique_id_ = blob.unique_id;
  const std::lock_guard lock(mutex_);
  keys_.push_back(std::move(key));
  return loaded;
}

Result<Loaded> Manager::load_first(std::string_view password, std::stop_token stop) {
  TRY_ASSIGN(const Raw raw, read_raw(options_.cache_duration.ns >= 0, stop));
  auto loaded = load_with_password(raw, password);
  if (loaded.ok() || !raw.from_cache) {
    return loaded;
  }
  // The cached copy may be from before a password change, or damaged.
  TRY_ASSIGN(const Raw again, read_raw(false, stop));
  return load_with_password(again, password);
}

Status Manager::check_lock(const Parameters& p) const {
  if (!p.upgrade_lock || p.upgrade_lock->owner_id == options_.upgrade_owner_id ||
      !p.upgrade_lock->locked(options_.clock->now())) {
    return {};
  }
  return error(Code::failed_precondition, "repository upgrade in progress");
}

Status Manager::start(std::string_view password, std::stop_token stop) {
  TRY_ASSIGN(Loaded loaded, load_first(password, stop));
  publish(std::move(loaded));
  return wait_for_lock(stop);
}

Status Manager::wait_for_lock(std::stop_token stop) {
  Duration delay = kLockPollFirst;
  while (true) {
    Status locked = check_lock(*current());
    if (locked.ok() || !options_.wait_for_upgrade_lock) {
      return locked;
    }
    log::info("format", "waiting for the repository upgrade by {} to finish", current()->upgrade_lock->owner_id);
    if (!sleep_for(delay, stop)) {
      return error(Code::cancelled, "cancelled while waiting for a repository upgrade");
    }
    delay = std::min(delay + delay, kLockPollMax);
    TRY_ASSIGN(Loaded loaded, load(false, stop));
    publish(std::move(loaded));
  }
}

Result<std::shared_ptr<const Parameters>> Manager::parameters(std::stop_token stop) {
  const auto current_if_fresh = [this]() -> std::shared_ptr<const Parameters> {
    const std::lock_guard lock(mutex_);
    return fresh(loaded_) ? loaded_.parameters : nullptr;
  };
  auto p = current_if_fresh();
  if (p == nullptr) {
    TRY_ASSIGN(const auto pass, turnstile_.enter(stop));
    p = current_if_fresh();
    if (p == nullptr) {
      TRY_ASSIGN(Loaded loaded, load(true, stop), "unable to refresh the repository format");
      p = loaded.parameters;
      publish(std::move(loaded));
    }
  }
  TRY(check_lock(*p));
  return p;
}

Status Manager::put_blob(const char* id, ByteView bytes, const BlobConfig& config, std::stop_token stop) const {
  const char* what = std::string_view(id) == kFormatBlobId ? "format" : "blobcfg";
  blob::PutOptions options;
  if (config.enabled()) {
    options.retention_mode = config.retention_mode;
    options.retention_period = config.retention_period;
  }
  const ByteView parts[] = {bytes};
  return storage_->put(BlobId(id), parts, options, stop)
      .status()
      .with_frame(fmt::format("unable to write {} blob: PutBlob() failed for \"{}\"", what, id));
}

// Seals, verifies and writes both blobs, then makes them current. blobcfg goes first, and only if it changes. With a
// new key the two must never be found apart: without retention a missing blobcfg says the same as an empty one, so it
// is away while the format blob changes its key.
Status Manager::store(const Loaded& old, const Parameters& p, const BlobConfig& config, ByteView key, bool new_key,
                      std::stop_token stop) {
  Loaded next;
  next.blob = old.blob;
  next.config = config;
  TRY_ASSIGN(next.blob.sealed, seal_parameters(p, key, old.blob.unique_id));
  const std::string text = next.blob.serialize();
  TRY_ASSIGN(next.blob, FormatBlob::parse(as_bytes(text)), "verifying the new format");
  TRY_ASSIGN(Parameters back, open_parameters(next.blob, key), "verifying the new format");
  if (back.content_format_json().dump() != p.content_format_json().dump()) {
    return error(Code::internal, "verifying the new format: it does not read back");
  }
  next.parameters = std::make_shared<const Parameters>(std::move(back));
  const bool write_config = new_key || config != old.config;
  const bool config_last = new_key && !config.enabled();
  Bytes sealed;
  if (write_config) {
    TRY_ASSIGN(sealed, seal_blob_config(config, key, old.blob.unique_id));
    TRY(open_blob_config(sealed, key, old.blob.unique_id), "verifying the new blobcfg");
    Status s = config_last ? storage_->remove(BlobId(kBlobConfigBlobId), stop)
                           : put_blob(kBlobConfigBlobId, sealed, config, stop);
    if (!s.ok()) {
      expire();
      return s;
    }
  }
  Status written = put_blob(kFormatBlobId, as_bytes(text), config, stop);
  if (written.ok() && config_last) {
    if (Status s = put_blob(kBlobConfigBlobId, sealed, config, stop); !s.ok()) {
      log::warning("format", "the repository has no blobcfg now, which means no retention: {}", s.message());
    }
  }
  expire();
  if (written.ok()) {
    next.read_at = options_.clock->now();
    publish(std::move(next));
  }
  return written;
}

Status Manager::update(const std::function<Status(Parameters&, BlobConfig&)>& change, std::stop_token stop) {
  TRY_ASSIGN(const auto pass, turnstile_.enter(stop));
  TRY_ASSIGN(const Loaded old, load(false, stop));
  Parameters p = old.parameters->clone();
  BlobConfig config = old.config;
  TRY(change(p, config));
  const Parameters& was = *old.parameters;
  if (p.hash != was.hash || p.encryption != was.encryption || p.ecc != was.ecc ||
      p.ecc_overhead_percent != was.ecc_overhead_percent || p.splitter != was.splitter ||
      p.enable_password_change != was.enable_password_change ||
      as_text(p.secret.view()) != as_text(was.secret.view()) ||
      as_text(p.master_key.view()) != as_text(was.master_key.view())) {
    return error(Code::invalid_argument, "a fixed property of the repository cannot be changed");
  }
  if (p.index_version < was.index_version) {
    return error(Code::invalid_argument, "index version can only be increased");
  }
  TRY(p.validate(), "invalid parameters");
  TRY(config.validate(), "invalid blob-config options");
  return store(old, p, config, format_key(), false, stop);
}

Status Manager::change_password(std::string_view new_password, std::stop_token stop) {
  TRY_ASSIGN(const auto pass, turnstile_.enter(stop));
  TRY_ASSIGN(const Loaded old, load(false, stop));
  if (!old.parameters->enable_password_change) {
    return error(Code::failed_precondition,
                 "password changes are not supported for repositories created using Kopia v0.8 or older");
  }
  TRY_ASSIGN(SecretBytes key, derive_format_key(old.blob, new_password));
  if (Status s = store(old, *old.parameters, old.config, key.view(), true, stop); !s.ok()) {
    // Were the format blob still the old one, its blobcfg must be too, or nobody could open the repository.
    const auto now = storage_->get(BlobId(kFormatBlobId), {0, -1}, stop);
    if (now.ok() && now->text() == as_text(old.blob.raw)) {
      TRY_ASSIGN(const Bytes sealed, seal_blob_config(old.config, format_key(), unique_id_));
      TRY(put_blob(kBlobConfigBlobId, sealed, old.config, stop), "restoring blobcfg after a failed password change");
    }
    return s;
  }
  const std::lock_guard lock(mutex_);
  keys_.push_back(std::move(key));
  return {};
}

}  // namespace

Result<std::unique_ptr<FormatManager>> FormatManager::open(std::shared_ptr<blob::Storage> storage,
                                                           std::string_view password, Options options,
                                                           std::stop_token stop) {
  auto manager = std::make_unique<Manager>(std::move(storage), std::move(options));
  TRY(manager->start(password, stop));
  return std::unique_ptr<FormatManager>(std::move(manager));
}

}  // namespace cairn::format
