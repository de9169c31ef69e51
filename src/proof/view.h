// A repository's contents, objects and manifests over another look at its storage, with the same keys. Read-only.
#pragma once

#include <memory>

#include "repo/repository.h"

namespace cairn::proof {

// Members are destroyed in the right order.
struct View {
  std::shared_ptr<blob::Storage> storage;
  std::unique_ptr<content::ContentManager> contents;
  std::unique_ptr<object::ObjectManager> objects;
  std::unique_ptr<manifest::ManifestManager> manifests;
};

// Indexes are not loaded yet: contents->refresh() does it and says what is wrong.
Result<View> make_view(repo::Repository& repository, std::shared_ptr<blob::Storage> storage, std::stop_token stop);
// Leaves out manifests that cannot be read.
std::unique_ptr<manifest::ManifestManager> tolerant_manifests(View& view, const Clock& clock);

}  // namespace cairn::proof
