#include "repo/repository.h"

#include <cstdlib>

namespace cairn::repo {

Repository::~Repository() = default;

Result<std::unique_ptr<Repository>> Repository::open(const std::string& config_path, std::string_view password,
                                                     const OpenOptions& options, std::stop_token stop) {
  TRY_ASSIGN(LocalConfig config, LocalConfig::load(config_path));
  if (!config.storage) {
    return error(Code::unsupported, "connections to a repository server are not supported by this command");
  }
  OpenOptions effective = options;
  effective.read_only = options.read_only || config.client.readonly;
  auto storage = blob::open_storage(*config.storage, {.create = false, .read_only = effective.read_only}, stop);
  TRY(storage, "{}", storage.code() == Code::unsupported ? "error decoding config json" : "cannot open storage");
  TRY_ASSIGN(auto repo, open_direct(std::move(*storage), password, config.client, cache_settings(config, config_path),
                                    effective, stop));
  repo->config_path_ = config_path;
  repo->config_ = std::move(config);
  return repo;
}

Result<std::unique_ptr<Repository>> Repository::open_direct(std::shared_ptr<blob::Storage> storage,
                                                            std::string_view password, const ClientOptions& client,
                                                            const content::CacheSettings& cache,
                                                            const OpenOptions& options, std::stop_token stop) {
  auto repo = std::unique_ptr<Repository>(new Repository());
  repo->client_ = client;
  repo->clock_ = options.clock;
  repo->read_only_ = options.read_only || storage->read_only();
  repo->metrics_ = std::make_shared<blob::StorageMetrics>();

  const Json limits = client.throttling_limits.is_null() ? storage->connection_info().config : client.throttling_limits;
  auto base = repo->read_only_ && !storage->read_only() ? blob::with_read_only(std::move(storage)) : std::move(storage);
  base = blob::with_metrics(std::move(base), repo->metrics_);

  // kopia.repository and kopia.blobcfg are read and written below the throttle and the retention wrapper.
  format::FormatManager::Options format_options;
  format_options.cache_directory = cache.directory;
  if (client.format_blob_cache_duration.ns != 0) {
    format_options.cache_duration = client.format_blob_cache_duration;
  }
  format_options.upgrade_owner_id = options.upgrade_owner_id;
  format_options.wait_for_upgrade_lock = options.wait_for_upgrade_lock;
  format_options.clock = options.clock;
  TRY_ASSIGN(repo->format_, format::FormatManager::open(base, password, format_options, stop),
             "unable to create format manager");

  auto throttled = blob::with_throttle(base, blob::ThrottleLimits::from_json(limits));
  repo->throttle_ = std::move(throttled.throttle);
  repo->storage_ = std::move(throttled.storage);
  const format::BlobConfig retention = repo->format_->blob_config();
  if (retention.enabled()) {
    repo->storage_ = blob::with_retention(repo->storage_, retention.retention_mode, retention.retention_period);
  }

  content::ContentOptions content_options;
  content_options.username = client.username;
  content_options.hostname = client.hostname;
  content_options.clock = options.clock;
  content_options.read_only = repo->read_only_;
  content_options.defer_indexes = options.defer_indexes;
  content_options.cache = cache;
  TRY_ASSIGN(repo->contents_, content::ContentManager::open(repo->storage_, *repo->format_, content_options, stop),
             "unable to open content manager");
  repo->objects_ = std::make_unique<object::ObjectManager>(*repo->contents_, repo->format_->current()->splitter);
  const char* ignore = std::getenv("KOPIA_IGNORE_MALFORMED_MANIFEST_CONTENTS");
  repo->manifests_ = manifest::ManifestManager::create(
      *repo->contents_, *options.clock, {.ignore_malformed_contents = ignore != nullptr && *ignore != 0});
  return repo;
}

Status Repository::flush(std::stop_token stop) {
  if (read_only_) {
    return {};
  }
  TRY(manifests_->flush(stop), "error flushing manifests");
  return contents_->flush(stop);
}

}  // namespace cairn::repo
