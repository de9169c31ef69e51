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

StorageClassesAhead::StorageClassesAhead(Read read)
    : reader_([this, read = std::move(read)](std::stop_token stop) {
        auto rules = read(std::move(stop));
        {
          const std::lock_guard lock(mutex_);
          rules_.emplace(std::move(rules));
        }
        changed_.notify_all();
      }) {}

Result<std::string> StorageClassesAhead::class_of(const BlobId& id, const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  if (!changed_.wait(lock, stop, [&] { return rules_.has_value(); })) {
    return error(Code::cancelled, "cancelled");
  }
  TRY(*rules_);
  return (*rules_)->class_of(id);
}

}  // namespace cairn::blob
