#include "maintenance/schedule.h"

#include <algorithm>

#include "base/random.h"
#include "crypto/aead.h"

namespace cairn::maintenance {
namespace {

constexpr std::string_view kAdditionalData = "maintenance";

Result<Timestamp> time_member(const Json& object, const char* key) {
  const Json& v = object[key];
  if (v.is_null()) {
    return Timestamp::zero();
  }
  return parse_rfc3339(v.as_string());
}

Result<Run> run_from_json(const Json& json) {
  Run r;
  TRY_ASSIGN(r.start, time_member(json, "start"));
  TRY_ASSIGN(r.end, time_member(json, "end"));
  r.success = json["success"].as_bool();
  r.error = json["error"].as_string();
  r.extra = json["extra"];
  return r;
}

Json run_to_json(const Run& r) {
  Json out = Json::object({{"start", rfc3339(r.start)}, {"end", rfc3339(r.end)}});
  if (r.success) {
    out.set("success", true);
  }
  if (!r.error.empty()) {
    out.set("error", r.error);
  }
  if (!r.extra.items().empty()) {
    out.set("extra", r.extra);
  }
  return out;
}

}  // namespace

Json Schedule::to_json() const {
  Json all;
  for (const auto& [task, history] : runs) {
    Json list = Json::array();
    for (const Run& r : history) {
      list.items_mut().push_back(run_to_json(r));
    }
    all.set(task, std::move(list));
  }
  return Json::object({{"nextFullMaintenance", rfc3339(next_full)},
                       {"nextQuickMaintenance", rfc3339(next_quick)},
                       {"runs", std::move(all)}});
}

Result<Schedule> Schedule::from_json(const Json& json) {
  if (!json.is_object()) {
    return error(Code::corrupt, "not an object");
  }
  Schedule s;
  TRY_ASSIGN(s.next_full, time_member(json, "nextFullMaintenance"));
  TRY_ASSIGN(s.next_quick, time_member(json, "nextQuickMaintenance"));
  for (const auto& [task, history] : json["runs"].members()) {
    std::vector<Run>& to = s.runs[task];
    for (const Json& item : history.items()) {
      TRY_ASSIGN(Run run, run_from_json(item), "runs of {}", task);
      to.push_back(std::move(run));
    }
  }
  return s;
}

void Schedule::add(std::string_view task, Run run) {
  std::vector<Run>& history = runs[std::string(task)];
  history.insert(history.begin(), std::move(run));
  if (history.size() > kRunsPerTaskMax) {
    history.resize(kRunsPerTaskMax);
  }
}

std::optional<Timestamp> Schedule::last_success(std::initializer_list<std::string_view> tasks) const {
  std::optional<Timestamp> latest;
  for (const std::string_view task : tasks) {
    const auto it = runs.find(std::string(task));
    if (it == runs.end()) {
      continue;
    }
    for (const Run& r : it->second) {
      if (r.success) {
        latest = std::max(latest.value_or(r.end), r.end);
      }
    }
  }
  return latest;
}

Result<Schedule> open_schedule(ByteView stored, const format::FormatManager& format) {
  const SecretBytes key = format.maintenance_key();
  TRY_ASSIGN(const Buffer plain, crypto::aes256gcm_open(key.view(), stored, as_bytes(kAdditionalData)),
             "unable to open {}", kScheduleBlob);
  TRY_ASSIGN(const Json json, Json::parse(plain.text()), "malformed {}", kScheduleBlob);
  auto schedule = Schedule::from_json(json);
  if (!schedule.ok()) {
    return error(Code::corrupt, "malformed {}: {}", kScheduleBlob, schedule.status().message());
  }
  return schedule;
}

Result<Schedule> load_schedule(blob::Storage& storage, const format::FormatManager& format, std::stop_token stop) {
  const auto stored = storage.get(BlobId(kScheduleBlob), {}, stop);
  if (stored.code() == Code::not_found) {
    return Schedule();
  }
  TRY(stored, "error reading {}", kScheduleBlob);
  return open_schedule(stored->view(), format);
}

Result<Timestamp> save_schedule(blob::Storage& storage, const format::FormatManager& format, const Schedule& schedule,
                                std::stop_token stop) {
  const SecretBytes key = format.maintenance_key();
  Byte nonce[crypto::kNonceSize];
  random_bytes(nonce);
  const std::string text = schedule.to_json().dump();
  TRY_ASSIGN(const Buffer sealed, crypto::aes256gcm_seal(key.view(), nonce, as_bytes(text), as_bytes(kAdditionalData)));
  TRY_ASSIGN(const auto stored, storage.put(BlobId(kScheduleBlob), sealed.view(), stop), "error writing {}",
             kScheduleBlob);
  return stored.timestamp;
}

}  // namespace cairn::maintenance
