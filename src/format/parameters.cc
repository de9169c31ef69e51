// The inner document {"format": …}: reading, writing in Kopia's order, what is allowed.
#include <algorithm>
#include <limits>

#include "base/log.h"
#include "base/units.h"
#include "format/repository_format.h"
#include "format/sealing.h"
#include "format/unit_crypto.h"

namespace cairn::format {
namespace {

constexpr std::string_view kKnownFeatures[] = {"index-v1", "index-v2"};
constexpr int kIndexVersionMax = 2;
// Bounds for values read from a repository: beyond them sums of times would overflow and packs could not be indexed.
constexpr Duration kDurationMax = hours(24 * 3650);
constexpr std::int64_t kPackSizeReadable = 1 << 30;

Duration bounded(Duration d) { return {std::clamp<std::int64_t>(d.ns, 0, kDurationMax.ns)}; }

Timestamp later(Timestamp t, Duration d) {
  if (t.is_zero()) {
    return t;
  }
  constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
  return d.ns > 0 && t.ns > kMax - d.ns ? Timestamp{kMax} : t + d;
}

Duration drain_time(const UpgradeLock& lock) {
  return bounded(lock.max_permitted_clock_drift) + bounded(lock.io_drain_timeout) * 2;
}

// `known` in its own order, then the keys of `old` that `known` does not have.
Json with_unknown_keys(Json known, const Json& old, std::initializer_list<std::string_view> never) {
  const auto is_known = [&](std::string_view key) {
    return known.find(key) != nullptr || std::any_of(never.begin(), never.end(), [&](std::string_view n) {
             Json probe = Json::object();
             probe.set(n, true);
             return probe.find(key) != nullptr;
           });
  };
  std::vector<Json::Member> extra;
  for (const Json::Member& m : old.members()) {
    if (!is_known(m.first)) {
      extra.push_back(m);
    }
  }
  for (Json::Member& m : extra) {
    known.members_mut().push_back(std::move(m));
  }
  return known;
}

UpgradeLock lock_from_json(const Json& j) {
  UpgradeLock lock;
  lock.owner_id = j["ownerID"].as_string();
  if (auto t = parse_rfc3339(j["creationTime"].as_string()); t.ok()) {
    lock.creation_time = *t;
  }
  lock.advance_notice = {j["advanceNoticeDuration"].as_int()};
  lock.io_drain_timeout = {j["ioDrainTimeout"].as_int()};
  lock.status_poll_interval = {j["statusPollInterval"].as_int()};
  lock.message = j["message"].as_string();
  lock.max_permitted_clock_drift = {j["maxPermittedClockDrift"].as_int()};
  return lock;
}

Json lock_to_json(const UpgradeLock& lock) {
  Json j = Json::object();
  j.set_omitempty("ownerID", lock.owner_id);
  j.set("creationTime", rfc3339(lock.creation_time));
  j.set_omitempty("advanceNoticeDuration", lock.advance_notice.ns);
  j.set("ioDrainTimeout", lock.io_drain_timeout.ns);
  j.set("statusPollInterval", lock.status_poll_interval.ns);
  j.set("message", lock.message);
  j.set("maxPermittedClockDrift", lock.max_permitted_clock_drift.ns);
  return j;
}

std::vector<RequiredFeature> features_from_json(const Json& list) {
  std::vector<RequiredFeature> out;
  for (const Json& j : list.items()) {
    RequiredFeature f;
    f.feature = j["feature"].as_string();
    const Json& otherwise = j["ifNotUnderstood"];
    f.warn = otherwise["warn"].as_bool();
    f.message = otherwise["message"].as_string();
    f.url = otherwise["url"].as_string();
    f.upgrade_to_version = otherwise["upgradeToVersion"].as_string();
    out.push_back(std::move(f));
  }
  return out;
}

Json features_to_json(const std::vector<RequiredFeature>& features) {
  Json list = Json::array();
  for (const RequiredFeature& f : features) {
    Json otherwise = Json::object();
    otherwise.set("warn", f.warn);
    otherwise.set_omitempty("message", f.message);
    otherwise.set_omitempty("url", f.url);
    otherwise.set_omitempty("upgradeToVersion", f.upgrade_to_version);
    list.push_back(Json::object({{"feature", f.feature}, {"ifNotUnderstood", std::move(otherwise)}}));
  }
  return list;
}

// A value the blob may leave out: it stays out when it was out and still has its default.
void set_defaulted(Json& out, const Json& old, std::string_view key, std::int64_t value, std::int64_t fallback) {
  if (value != fallback || old[key].as_int() != 0 || old.is_null()) {
    out.set_omitempty(key, value);
  }
}

Json known_keys(const Parameters& p) {
  const Json& old = p.raw["format"];
  Json j = Json::object();
  j.set_omitempty("hash", p.hash);
  j.set_omitempty("encryption", p.encryption);
  j.set_omitempty("ecc", p.ecc);
  j.set_omitempty("eccOverheadPercent", p.ecc_overhead_percent);
  j.set_omitempty("secret", base64_encode(p.secret.view()));
  j.set_omitempty("masterKey", base64_encode(p.master_key.view()));
  j.set_omitempty("version", p.version);
  set_defaulted(j, old, "maxPackSize", p.max_pack_size, kDefaultPackSize);
  set_defaulted(j, old, "indexVersion", p.index_version, 1);
  j.set("epochParameters", with_unknown_keys(p.epoch.to_json(), old["epochParameters"], {}));
  j.set("enablePasswordChange", p.enable_password_change);
  j.set_omitempty("splitter", p.splitter);
  if (p.upgrade_lock) {
    const Json& old_lock = old["upgradeLock"];
    j.set("upgradeLock",
          with_unknown_keys(lock_to_json(*p.upgrade_lock), old_lock, {"ownerID", "advanceNoticeDuration"}));
  }
  if (!p.required_features.empty()) {
    const Json& old_list = old["requiredFeatures"];
    const bool same = features_from_json(old_list) == p.required_features;
    j.set("requiredFeatures", same ? old_list : features_to_json(p.required_features));
  }
  return j;
}

Json document_of(const Parameters& p) {
  Json format = with_unknown_keys(known_keys(p), p.raw["format"],
                                  {"hash", "encryption", "ecc", "eccOverheadPercent", "secret", "masterKey", "version",
                                   "maxPackSize", "indexVersion", "splitter", "upgradeLock", "requiredFeatures"});
  return with_unknown_keys(Json::object({{"format", std::move(format)}}), p.raw, {});
}

Result<SecretBytes> secret_from_json(const Json& format, std::string_view key) {
  auto bytes = base64_decode(format[key].as_string());
  if (!bytes.ok()) {
    return error(Code::corrupt, "repository format has an invalid {}", key);
  }
  SecretBytes out{ByteView(*bytes)};
  wipe_bytes(*bytes);
  return out;
}

Result<Parameters> parameters_from_json(Json document) {
  Json* format = document.find("format");
  if (format == nullptr || !format->is_object()) {
    return error(Code::corrupt, "repository format has no \"format\"");
  }
  const Json& j = *format;
  Parameters p;
  p.hash = j["hash"].as_string();
  p.encryption = j["encryption"].as_string();
  p.ecc = j["ecc"].as_string();
  p.ecc_overhead_percent = static_cast<int>(std::clamp<std::int64_t>(j["eccOverheadPercent"].as_int(), -1, 1000));
  TRY_ASSIGN(p.secret, secret_from_json(j, "secret"));
  TRY_ASSIGN(p.master_key, secret_from_json(j, "masterKey"));
  p.version = static_cast<int>(std::clamp<std::int64_t>(j["version"].as_int(), -1, 1000));
  p.max_pack_size = j["maxPackSize"].as_int();
  p.index_version = static_cast<int>(std::clamp<std::int64_t>(j["indexVersion"].as_int(), -1, 1000));
  p.epoch = EpochParameters::from_json(j["epochParameters"]);
  p.enable_password_change = j["enablePasswordChange"].as_bool();
  p.splitter = j["splitter"].as_string();
  if (j["upgradeLock"].is_object()) {
    p.upgrade_lock = lock_from_json(j["upgradeLock"]);
  }
  p.required_features = features_from_json(j["requiredFeatures"]);
  if (p.max_pack_size == 0) {
    p.max_pack_size = kDefaultPackSize;
  }
  if (p.index_version == 0) {
    p.index_version = 1;
  }
  format->erase("secret");
  format->erase("masterKey");
  p.raw = std::move(document);
  return p;
}

Status check_features(const Parameters& p) {
  for (const RequiredFeature& f : p.required_features) {
    if (is_known_feature(f.feature)) {
      continue;
    }
    std::string text = fmt::format("this version does not support the repository feature \"{}\"", f.feature);
    for (const std::string* more : {&f.message, &f.url}) {
      if (!more->empty()) {
        text += fmt::format(" ({})", *more);
      }
    }
    if (!f.upgrade_to_version.empty()) {
      text += fmt::format(", please upgrade to version {} or newer", f.upgrade_to_version);
    }
    if (!f.warn) {
      return Status(Code::unsupported, std::move(text));
    }
    log::warning("format", "{}", text);
  }
  return {};
}

// What a repository must satisfy to be opened at all: less than what may be written.
Status check_readable(const Parameters& p) {
  if (p.version < kVersionMin || p.version > kVersionMax) {
    return error(Code::unsupported, "can't handle repositories created using format version {}", p.version);
  }
  if (p.index_version < 1 || p.index_version > kIndexVersionMax) {
    return error(Code::unsupported, "unsupported index version {}", p.index_version);
  }
  if (p.master_key.empty()) {
    return error(Code::corrupt, "repository format has no master key");
  }
  if (p.secret.empty() && p.enable_password_change) {
    return error(Code::corrupt, "repository format has no hashing secret");
  }
  if (p.max_pack_size < 0 || p.max_pack_size > kPackSizeReadable) {
    return error(Code::corrupt, "repository format has an invalid pack size {}", p.max_pack_size);
  }
  if (p.ecc_enabled() && p.index_version == 1) {
    return error(Code::unsupported, "error correction needs index version 2");
  }
  return check_features(p);
}

}  // namespace

bool is_known_feature(std::string_view feature) {
  return std::find(std::begin(kKnownFeatures), std::end(kKnownFeatures), feature) != std::end(kKnownFeatures);
}

EpochParameters EpochParameters::defaults() {
  EpochParameters p;
  p.enabled = true;
  p.refresh_frequency = minutes(20);
  p.full_checkpoint_frequency = 7;
  p.cleanup_safety_margin = hours(4);
  p.min_epoch_duration = hours(24);
  p.advance_on_count = 20;
  p.advance_on_total_size_bytes = 10 << 20;
  p.delete_parallelism = 4;
  return p;
}

Status EpochParameters::validate() const {
  if (!enabled) {
    return {};
  }
  if (refresh_frequency.ns <= 0 || refresh_frequency > kDurationMax || min_epoch_duration > kDurationMax ||
      cleanup_safety_margin > kDurationMax) {
    return error(Code::invalid_argument, "invalid epoch refresh frequency");
  }
  if (min_epoch_duration < minutes(10)) {
    return error(Code::invalid_argument, "minimum epoch duration too low: {}", go_duration(min_epoch_duration));
  }
  if (refresh_frequency * 3 > min_epoch_duration) {
    return error(Code::invalid_argument,
                 "epoch refresh period is too long, must be 1/3 of minimal epoch duration or shorter");
  }
  if (full_checkpoint_frequency <= 0) {
    return error(Code::invalid_argument, "invalid epoch checkpoint frequency");
  }
  if (cleanup_safety_margin < refresh_frequency * 3) {
    return error(Code::invalid_argument, "invalid cleanup safety margin, must be at least 3x epoch refresh frequency");
  }
  if (advance_on_count < 10) {
    return error(Code::invalid_argument, "epoch advance on count too low");
  }
  if (advance_on_total_size_bytes < 1 << 20) {
    return error(Code::invalid_argument, "epoch advance on total size too low");
  }
  return {};
}

Json EpochParameters::to_json() const {
  return Json::object({{"Enabled", enabled},
                       {"EpochRefreshFrequency", refresh_frequency.ns},
                       {"FullCheckpointFrequency", full_checkpoint_frequency},
                       {"CleanupSafetyMargin", cleanup_safety_margin.ns},
                       {"MinEpochDuration", min_epoch_duration.ns},
                       {"EpochAdvanceOnCountThreshold", advance_on_count},
                       {"EpochAdvanceOnTotalSizeBytesThreshold", advance_on_total_size_bytes},
                       {"DeleteParallelism", delete_parallelism}});
}

EpochParameters EpochParameters::from_json(const Json& json) {
  EpochParameters p;
  p.enabled = json["Enabled"].as_bool();
  p.refresh_frequency = {json["EpochRefreshFrequency"].as_int()};
  p.full_checkpoint_frequency = json["FullCheckpointFrequency"].as_int();
  p.cleanup_safety_margin = {json["CleanupSafetyMargin"].as_int()};
  p.min_epoch_duration = {json["MinEpochDuration"].as_int()};
  p.advance_on_count = json["EpochAdvanceOnCountThreshold"].as_int();
  p.advance_on_total_size_bytes = json["EpochAdvanceOnTotalSizeBytesThreshold"].as_int();
  p.delete_parallelism = json["DeleteParallelism"].as_int();
  return p;
}

Timestamp UpgradeLock::upgrade_time() const {
  return later(creation_time, std::max(bounded(advance_notice), drain_time(*this)));
}

bool UpgradeLock::locked(Timestamp now) const {
  const Duration notice = bounded(advance_notice);
  const Duration drain = drain_time(*this);
  return notice < drain || now >= later(creation_time, notice - drain);
}

Parameters Parameters::clone() const {
  Parameters p;
  p.hash = hash;
  p.encryption = encryption;
  p.ecc = ecc;
  p.ecc_overhead_percent = ecc_overhead_percent;
  p.secret = secret.clone();
  p.master_key = master_key.clone();
  p.version = version;
  p.max_pack_size = max_pack_size;
  p.index_version = index_version;
  p.epoch = epoch;
  p.enable_password_change = enable_password_change;
  p.splitter = splitter;
  p.upgrade_lock = upgrade_lock;
  p.required_features = required_features;
  p.raw = raw;
  return p;
}

Json Parameters::content_format_json() const {
  Json j = known_keys(*this);
  for (const char* key : {"secret", "masterKey", "splitter", "upgradeLock", "requiredFeatures"}) {
    j.erase(key);
  }
  return j;
}

Status Parameters::validate() const {
  if (version < kVersionMin || version > kVersionMax) {
    return error(Code::invalid_argument, "unsupported format version {}", version);
  }
  if (index_version < 1 || index_version > kIndexVersionMax) {
    return error(Code::invalid_argument, "invalid index version, supported versions are 1 & 2");
  }
  if (max_pack_size < kPackSizeMin) {
    return error(Code::invalid_argument, "max pack size too small, must be >= {}", bytes_text(kPackSizeMin));
  }
  if (max_pack_size > kPackSizeMax) {
    return error(Code::invalid_argument, "max pack size too big, must be <= {}", bytes_text(kPackSizeMax));
  }
  if (ecc_enabled() && index_version == 1) {
    return error(Code::invalid_argument, "error correction needs index version 2");
  }
  if (splitter.empty()) {
    return error(Code::invalid_argument, "no splitter given");
  }
  TRY(epoch.validate(), "invalid epoch parameters");
  return UnitCrypto::create(*this).status();
}

Result<Parameters> open_parameters(const FormatBlob& blob, ByteView format_key) {
  auto plaintext = open_with_format_key(format_key, blob.unique_id, blob.sealed);
  if (!plaintext.ok()) {
    return error(Code::unauthenticated, "invalid repository password");
  }
  TRY_ASSIGN(Json document, Json::parse(as_text(plaintext->view())), "invalid repository format");
  TRY_ASSIGN(Parameters p, parameters_from_json(std::move(document)));
  TRY(check_readable(p));
  return p;
}

Result<Bytes> seal_parameters(const Parameters& p, ByteView format_key, ByteView unique_id) {
  std::string text = document_of(p).dump();
  auto sealed = seal_with_format_key(format_key, unique_id, as_bytes(text));
  wipe(text);
  TRY(sealed);
  return Bytes(sealed->view().begin(), sealed->view().end());
}

}  // namespace cairn::format
