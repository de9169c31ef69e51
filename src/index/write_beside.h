// Publishing index blobs with something else to do meanwhile.
#pragma once

#include <functional>

#include "index/index_manager.h"

namespace cairn::index {

// epochs.write(), and `beside` is called on another thread once all blobs are stored, at the same time as the listing
// that confirms them: it may turn out then that they do not count. Never called if they could not be stored.
Result<std::vector<blob::BlobMetadata>> write_beside(EpochManager& epochs, std::vector<Buffer> plaintexts,
                                                     std::string_view session_id, const std::function<void()>& beside,
                                                     std::stop_token stop);

}  // namespace cairn::index
