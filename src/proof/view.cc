#include "proof/view.h"

namespace cairn::proof {

Result<View> make_view(repo::Repository& repository, std::shared_ptr<blob::Storage> storage, std::stop_token stop) {
  content::ContentOptions options;
  options.username = repository.client().username;
  options.hostname = repository.client().hostname;
  options.clock = &repository.clock();
  options.read_only = true;
  options.defer_indexes = true;
  if (const repo::LocalConfig* config = repository.config()) {
    options.cache = repo::cache_settings(*config, repository.config_path());
  }
  View view;
  view.storage = std::move(storage);
  TRY_ASSIGN(view.contents, content::ContentManager::open(view.storage, repository.format(), options, std::move(stop)));
  view.objects = std::make_unique<object::ObjectManager>(*view.contents, repository.format().current()->splitter);
  view.manifests = manifest::ManifestManager::create(*view.contents, repository.clock(), {});
  return view;
}

std::unique_ptr<manifest::ManifestManager> tolerant_manifests(View& view, const Clock& clock) {
  return manifest::ManifestManager::create(*view.contents, clock, {.ignore_malformed_contents = true});
}

}  // namespace cairn::proof
