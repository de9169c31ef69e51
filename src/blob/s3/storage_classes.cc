#include "blob/s3/storage_classes.h"

#include "base/json.h"

namespace cairn::blob {

Result<StorageClasses> StorageClasses::parse(ByteView json) {
  TRY_ASSIGN(const Json document, Json::parse(as_text(json)), "{}", kStorageConfigName);
  StorageClasses classes;
  for (const Json& each : document["blobOptions"].items()) {
    classes.rules_.push_back({each["prefix"].as_string(), each["storageClass"].as_string()});
  }
  return classes;
}

const std::string& StorageClasses::class_of(const BlobId& id) const {
  static const std::string kDefault;
  for (const Rule& rule : rules_) {
    if (id.starts_with(rule.prefix)) {
      return rule.storage_class;
    }
  }
  return kDefault;
}

}  // namespace cairn::blob
