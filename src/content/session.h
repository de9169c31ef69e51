// Write sessions: the marker blob that protects packs not yet indexed. docs/format/packs.md (kopia-format §10.1)
#pragma once

#include <string>

#include "blob/storage.h"
#include "format/unit_crypto.h"

namespace cairn::content {

// 's' ‖ 16 hex ‖ hex of floor((now − 2000-01-01) / 30 days).
std::string new_session_id(Timestamp now);

struct SessionInfo {
  std::string id;
  Timestamp start_time, checkpoint_time;
  std::string username, hostname;
};
// Stores the marker; returns its blob id.
Result<BlobId> put_session_marker(blob::Storage& storage, const format::UnitCrypto& crypto, const SessionInfo& info,
                                  std::stop_token stop);
// All sessions whose marker exists, per id the one with the newest checkpoint time. Errors: corrupt (a marker that does
// not decrypt: nothing may be concluded then).
Result<std::vector<SessionInfo>> list_sessions(blob::Storage& storage, const format::UnitCrypto& crypto,
                                               std::stop_token stop);

}  // namespace cairn::content
