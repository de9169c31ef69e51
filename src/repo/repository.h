// An opened repository: storage with its decorators, format, contents, objects, manifests. docs/design/repository.md
#pragma once

#include <memory>
#include <string>

#include "blob/decorators.h"
#include "content/content_manager.h"
#include "format/repository_format.h"
#include "manifest/manifest_manager.h"
#include "object/object_manager.h"
#include "repo/local_config.h"

namespace cairn::repo {

struct OpenOptions {
  bool read_only = false;
  const Clock* clock = &system_clock();
  std::string upgrade_owner_id;
  bool wait_for_upgrade_lock = true;
  bool defer_indexes = false;  // content::ContentOptions
};

// Thread-safe. Members are destroyed in the right order; what was not flushed is abandoned.
class Repository {
 public:
  // From a stored configuration. Errors: not_found (not connected), unauthenticated (password), the storage's.
  static Result<std::unique_ptr<Repository>> open(const std::string& config_path, std::string_view password,
                                                  const OpenOptions& options, std::stop_token stop);
  // From parts (tests, sync, tools).
  static Result<std::unique_ptr<Repository>> open_direct(std::shared_ptr<blob::Storage> storage,
                                                         std::string_view password, const ClientOptions& client,
                                                         const content::CacheSettings& cache,
                                                         const OpenOptions& options, std::stop_token stop);
  ~Repository();

  blob::Storage& storage() { return *storage_; }
  std::shared_ptr<blob::Storage> storage_ptr() { return storage_; }
  format::FormatManager& format() { return *format_; }
  content::ContentManager& contents() { return *contents_; }
  object::ObjectManager& objects() { return *objects_; }
  manifest::ManifestManager& manifests() { return *manifests_; }
  const ClientOptions& client() const { return client_; }
  const std::string& config_path() const { return config_path_; }
  const LocalConfig* config() const { return config_ ? &*config_ : nullptr; }
  const Clock& clock() const { return *clock_; }
  bool read_only() const { return read_only_; }
  blob::StorageMetrics& metrics() { return *metrics_; }
  blob::Throttle& throttle() { return *throttle_; }
  // Manifests, then contents and index.
  Status flush(std::stop_token stop);

 private:
  Repository() = default;
  std::shared_ptr<blob::Storage> storage_;
  std::shared_ptr<blob::StorageMetrics> metrics_;
  std::shared_ptr<blob::Throttle> throttle_;
  std::unique_ptr<format::FormatManager> format_;
  std::unique_ptr<content::ContentManager> contents_;
  std::unique_ptr<object::ObjectManager> objects_;
  std::unique_ptr<manifest::ManifestManager> manifests_;
  ClientOptions client_;
  std::string config_path_;
  std::optional<LocalConfig> config_;
  const Clock* clock_ = nullptr;
  bool read_only_ = false;
};

// Connects: reads the format blob (not found → "repository not initialized in the provided storage"), fills defaults,
// writes the config, opens with the password; on failure removes only what it wrote.
struct ConnectRequest {
  std::string config_path;
  blob::ConnectionInfo storage;
  ClientOptions client;
  std::optional<CachingOptions> caching;  // cache_directory "" = default
  std::string password;
};
Status connect(const ConnectRequest& request, const OpenOptions& options, std::stop_token stop);
// Config file, persisted password, .mlock, update info, and our own sub-directories of an absolute cache directory.
Status disconnect(const std::string& config_path);

// Creates only where the storage positively holds nothing: one complete listing must be empty. Errors: already_exists
// "found existing data in storage location".
Status create(blob::Storage& storage, std::string_view password, const format::CreateOptions& options,
              std::stop_token stop);

}  // namespace cairn::repo
