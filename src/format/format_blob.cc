// The outer document, and the blob configuration.
#include <algorithm>

#include "base/units.h"
#include "crypto/kdf.h"
#include "format/repository_format.h"
#include "format/sealing.h"

namespace cairn::format {
namespace {

constexpr std::string_view kSealing = "AES256_GCM";
constexpr std::size_t kUniqueIdMin = 16;  // the password derivations need a salt of this size
constexpr std::size_t kUniqueIdMax = 1024;

Result<Bytes> read_base64(const Json& document, std::string_view key) {
  const Json& value = document[key];
  if (!value.is_string()) {
    return error(Code::corrupt, "format blob has no {}", key);
  }
  auto bytes = base64_decode(value.as_string());
  if (!bytes.ok()) {
    return error(Code::corrupt, "format blob has an invalid {}", key);
  }
  return bytes;
}

}  // namespace

Result<FormatBlob> FormatBlob::parse(ByteView bytes) {
  TRY_ASSIGN(const Json document, Json::parse(as_text(bytes)), "invalid format blob");
  if (!document.is_object()) {
    return error(Code::corrupt, "invalid format blob");
  }
  FormatBlob b;
  b.tool = document["tool"].as_string();
  b.build_version = document["buildVersion"].as_string();
  b.build_info = document["buildInfo"].as_string();
  TRY_ASSIGN(b.unique_id, read_base64(document, "uniqueID"));
  b.key_algorithm = document["keyAlgo"].as_string();
  b.encryption = document["encryption"].as_string();
  TRY_ASSIGN(b.sealed, read_base64(document, "encryptedBlockFormat"));
  if (b.unique_id.size() < kUniqueIdMin || b.unique_id.size() > kUniqueIdMax) {
    return error(Code::corrupt, "format blob has a unique id of {} bytes", b.unique_id.size());
  }
  if (b.key_algorithm.empty()) {
    return error(Code::corrupt, "format blob has no keyAlgo");
  }
  b.raw.assign(bytes.begin(), bytes.end());
  return b;
}

std::string FormatBlob::serialize() const {
  Json document = Json::object();
  if (!raw.empty()) {
    if (auto old = Json::parse(as_text(raw)); old.ok() && old->is_object()) {
      document = std::move(*old);
    }
  }
  document.set("tool", tool);
  document.set("buildVersion", build_version);
  document.set("buildInfo", build_info);
  document.set("uniqueID", base64_encode(unique_id));
  document.set("keyAlgo", key_algorithm);
  document.set("encryption", encryption);
  document.set("encryptedBlockFormat", base64_encode(sealed));
  return document.dump(2) + "\n";
}

Result<SecretBytes> derive_format_key(const FormatBlob& blob, std::string_view password) {
  if (blob.encryption != kSealing) {
    return error(Code::unsupported, "unsupported format encryption \"{}\"", blob.encryption);
  }
  return crypto::derive_from_password(blob.key_algorithm, password, blob.unique_id);
}

Status BlobConfig::validate() const {
  if (retention_mode.empty() && retention_period.ns == 0) {
    return {};
  }
  if (retention_mode.empty() || retention_period.ns == 0) {
    return error(Code::invalid_argument,
                 "both retention mode and period must be provided when setting blob retention properties");
  }
  if (retention_mode != "GOVERNANCE" && retention_mode != "COMPLIANCE") {
    return error(Code::invalid_argument, "invalid retention mode \"{}\"", retention_mode);
  }
  if (retention_period < hours(24)) {
    return error(Code::invalid_argument,
                 "invalid retention-period, the minimum required is 1-day and there is no maximum limit");
  }
  return {};
}

Result<BlobConfig> open_blob_config(ByteView stored, ByteView format_key, ByteView unique_id) {
  auto plaintext = open_with_format_key(format_key, unique_id, stored);
  if (!plaintext.ok()) {
    return error(Code::corrupt, "unable to decrypt repository blobcfg blob");
  }
  TRY_ASSIGN(const Json document, Json::parse(as_text(plaintext->view())), "invalid repository blobcfg blob");
  if (!document.is_object()) {
    return error(Code::corrupt, "invalid repository blobcfg blob");
  }
  BlobConfig c;
  c.retention_mode = document["retentionMode"].as_string();
  c.retention_period = {document["retentionPeriod"].as_int()};
  return c;
}

Result<Bytes> seal_blob_config(const BlobConfig& c, ByteView format_key, ByteView unique_id) {
  Json document = Json::object();
  document.set_omitempty("retentionMode", c.retention_mode);
  document.set_omitempty("retentionPeriod", c.retention_period.ns);
  TRY_ASSIGN(const Buffer sealed, seal_with_format_key(format_key, unique_id, as_bytes(document.dump())));
  return Bytes(sealed.view().begin(), sealed.view().end());
}

}  // namespace cairn::format
