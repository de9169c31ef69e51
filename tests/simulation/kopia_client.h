// A client that behaves as Kopia does by the rules of its model (kopia-model §11, 14), where ours is more careful. It
// shares with our engine what stands in the format (sealing, index blobs, documents) and nothing that decides.
#pragma once

#include "manifest/manifest_manager.h"
#include "object/object_manager.h"
#include "tests/simulation/kopia_contents.h"

namespace cairn::simulation {

// One process.
class KopiaProcess {
 public:
  static Result<std::unique_ptr<KopiaProcess>> open(std::shared_ptr<blob::Storage> storage, std::string_view password,
                                                    const Clock& clock, KopiaCache* cache,
                                                    KopiaContents::Options options);
  blob::Storage& storage() { return contents_->storage(); }
  format::FormatManager& format() { return *format_; }
  KopiaContents& contents() { return *contents_; }
  object::ObjectManager& objects() { return *objects_; }
  manifest::ManifestManager& manifests() { return *manifests_; }
  const Clock& clock() const { return clock_; }
  const std::string& identity() const { return identity_; }
  Status flush();

 private:
  explicit KopiaProcess(const Clock& clock) : clock_(clock) {}
  const Clock& clock_;
  std::string identity_;  // user@host
  std::unique_ptr<format::FormatManager> format_;
  std::unique_ptr<KopiaContents> contents_;
  std::unique_ptr<object::ObjectManager> objects_;
  std::unique_ptr<manifest::ManifestManager> manifests_;
};

// §11.3: a run when one is due, or a full one; true when there was one. Errors: permission_denied (another owner),
// failed_precondition (clock skew), those of the first failing task. `before_marks`: what happens when a collection
// knows what is used and has marked nothing yet.
Result<bool> kopia_maintenance(KopiaProcess& process, bool full, const std::function<void()>& before_marks);

}  // namespace cairn::simulation
