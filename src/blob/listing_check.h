// A decorator for stores whose listings may lag behind their writes.
#pragma once

#include "blob/decorators.h"

namespace cairn::blob {

struct ListingCheckOptions {
  Duration rewrite_distance{};      // between two writes of one id; services refuse quicker ones
  std::string_view never_listed{};  // an id that listings leave out on purpose
};

// A listing that lacks what this process wrote in the last minutes is completed: such blobs are looked up one by one.
// (Blobs that listings still show after they were removed stay in; reading them gives not_found.)
StoragePtr with_listing_check(StoragePtr inner, ListingCheckOptions options);

}  // namespace cairn::blob
