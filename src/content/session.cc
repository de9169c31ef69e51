#include "content/session.h"

#include <map>

#include "base/random.h"

namespace cairn::content {

std::string new_session_id(Timestamp now) {
  constexpr std::int64_t kEpoch2000 = 946684800;
  constexpr std::int64_t kThirtyDays = 30LL * 24 * 3600;
  return fmt::format("s{}{:x}", random_hex(8), (now.unix_seconds() - kEpoch2000) / kThirtyDays);
}

Result<BlobId> put_session_marker(blob::Storage& storage, const format::UnitCrypto& crypto, const SessionInfo& info,
                                  std::stop_token stop) {
  const Json doc = Json::object({{"id", info.id},
                                 {"startTime", rfc3339(info.start_time)},
                                 {"checkpointTime", rfc3339(info.checkpoint_time)},
                                 {"username", info.username},
                                 {"hostname", info.hostname}});
  const std::string text = doc.dump();
  TRY_ASSIGN(const auto sealed, crypto.seal_blob("s", info.id, as_bytes(text)));
  TRY(storage.put(sealed.id, sealed.data.view(), stop), "unable to write session marker");
  return sealed.id;
}

Result<std::vector<SessionInfo>> list_sessions(blob::Storage& storage, const format::UnitCrypto& crypto,
                                               std::stop_token stop) {
  TRY_ASSIGN(const auto blobs, storage.list_all("s", stop), "listing sessions");
  std::map<std::string, SessionInfo> newest;
  for (const auto& b : blobs) {
    auto stored = storage.get(b.id, {}, stop);
    if (stored.code() == Code::not_found) {
      continue;  // its session ended meanwhile
    }
    TRY(stored, "reading session {}", b.id.text);
    TRY_ASSIGN(const Buffer plain, crypto.open_blob(b.id, stored->view()), "session {}", b.id.text);
    TRY_ASSIGN(const Json doc, Json::parse(plain.text()), "session {}", b.id.text);
    SessionInfo s;
    s.id = doc["id"].as_string();
    TRY_ASSIGN(s.start_time, parse_rfc3339(doc["startTime"].as_string()), "session {}", b.id.text);
    TRY_ASSIGN(s.checkpoint_time, parse_rfc3339(doc["checkpointTime"].as_string()), "session {}", b.id.text);
    s.username = doc["username"].as_string();
    s.hostname = doc["hostname"].as_string();
    auto& slot = newest[s.id];
    if (slot.id.empty() || slot.checkpoint_time < s.checkpoint_time) {
      slot = std::move(s);
    }
  }
  std::vector<SessionInfo> out;
  for (auto& [id, s] : newest) {
    out.push_back(std::move(s));
  }
  return out;
}

}  // namespace cairn::content
