// Rules of the object `.storageconfig`: which blobs go into which storage class (kopia-format §2.7).
#pragma once

#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"

namespace cairn::blob {

inline constexpr std::string_view kStorageConfigName = ".storageconfig";

class StorageClasses {
 public:
  // Errors: corrupt.
  static Result<StorageClasses> parse(ByteView json);
  // "" : the bucket's default. The first rule whose prefix fits decides.
  const std::string& class_of(const BlobId& id) const;

 private:
  struct Rule {
    std::string prefix, storage_class;
  };
  std::vector<Rule> rules_;
};

}  // namespace cairn::blob
