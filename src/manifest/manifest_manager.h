// Labelled documents kept in `m` contents. docs/format/manifests.md (kopia-model §4)
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/time.h"
#include "content/content_manager.h"

namespace cairn::manifest {

using Labels = std::map<std::string, std::string>;

struct ManifestMetadata {
  std::string id;
  std::int64_t length = 0;  // bytes of the payload's JSON
  Labels labels;
  Timestamp modified;
};

struct Manifest {
  ManifestMetadata metadata;
  Json payload;
};

// Thread-safe. Loads all manifests on first use and again when the contents' revision changes.
class ManifestManager {
 public:
  struct Options {
    bool ignore_malformed_contents = false;  // KOPIA_IGNORE_MALFORMED_MANIFEST_CONTENTS
  };
  static std::unique_ptr<ManifestManager> create(content::ContentManager& contents, const Clock& clock,
                                                 Options options);
  virtual ~ManifestManager() = default;
  // Buffered until flush(). `labels` must hold a non-empty "type". Returns the new id.
  virtual Result<std::string> put(const Labels& labels, const Json& payload, std::stop_token stop) = 0;
  // Errors: not_found.
  virtual Result<Manifest> get(const std::string& id, std::stop_token stop) = 0;
  // Entries that have all given labels, ascending by modification time.
  virtual Result<std::vector<ManifestMetadata>> find(const Labels& labels, std::stop_token stop) = 0;
  virtual Result<std::vector<Manifest>> find_with_payload(const Labels& labels, std::stop_token stop) = 0;
  // Tombstone; unknown ids are no error.
  virtual Status remove(const std::string& id, std::stop_token stop) = 0;
  // Removes every match, puts one.
  virtual Result<std::string> replace(const Labels& labels, const Json& payload, std::stop_token stop) = 0;
  // Writes pending entries as one `m` content (does not flush the contents).
  virtual Status flush(std::stop_token stop) = 0;
  virtual Status compact(std::stop_token stop) = 0;
  virtual void invalidate() = 0;
};

}  // namespace cairn::manifest
