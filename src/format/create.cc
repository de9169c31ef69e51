// Making a new repository: parameters, then blobcfg, then the format blob.
#include "base/random.h"
#include "crypto/ecc.h"
#include "crypto/hash.h"
#include "crypto/kdf.h"
#include "format/repository_format.h"
#include "format/unit_crypto.h"

namespace cairn::format {
namespace {

constexpr std::size_t kKeySize = 32;
constexpr const char* kTool = "https://github.com/kopia/kopia";
constexpr const char* kBuildVersion = "0.1.0";
constexpr const char* kBuildInfo = "cairn";

Bytes given_or_random(const Bytes& given) {
  if (!given.empty()) {
    return given;
  }
  Bytes out(kKeySize);
  random_bytes(out);
  return out;
}

std::string given_or(const std::string& given, std::string_view fallback) {
  return given.empty() ? std::string(fallback) : given;
}

// Only a positive "not found" counts: an unreachable storage may hold a repository.
Status require_absent(blob::Storage& storage, const char* id, std::string_view message, std::stop_token stop) {
  const Status status = storage.get(BlobId(id), {0, -1}, stop).status();
  if (status.ok()) {
    return Status(Code::already_exists, std::string(message));
  }
  if (status.is(Code::not_found)) {
    return {};
  }
  return Status(status).with_frame(fmt::format("unable to look for {}", id));
}

// After a failed write of the format blob nothing may stay that a second attempt would take for a damaged repository.
void remove_orphaned_blob_config(blob::Storage& storage, std::stop_token stop) {
  if (storage.get(BlobId(kFormatBlobId), {0, 0}, stop).code() == Code::not_found) {
    (void)storage.remove(BlobId(kBlobConfigBlobId), stop).ok();
  }
}

}  // namespace

Result<Parameters> new_parameters(const CreateOptions& o) {
  Parameters p;
  p.version = o.version == 0 ? kVersionMax : o.version;
  if (p.version < kVersionMin || p.version > kVersionMax) {
    return error(Code::invalid_argument,
                 "invalid parameters: error resolving format version: Unsupported format version: {}", p.version);
  }
  p.hash = given_or(o.hash, crypto::kDefaultHash);
  p.encryption = given_or(o.encryption, crypto::kDefaultEncryption);
  p.splitter = given_or(o.splitter, kDefaultSplitter);
  if (o.ecc_overhead_percent != 0) {
    if (p.version == 1) {
      return error(Code::invalid_argument, "error correction is not supported in format version 1");
    }
    p.ecc = given_or(o.ecc, crypto::kEccName);
    p.ecc_overhead_percent = o.ecc_overhead_percent;
  }
  p.secret = SecretBytes(ByteView(given_or_random(o.secret)));
  p.master_key = SecretBytes(ByteView(given_or_random(o.master_key)));
  p.max_pack_size = kDefaultPackSize;
  p.index_version = p.version == 1 ? 1 : 2;
  p.epoch = p.version == 1 ? EpochParameters{} : EpochParameters::defaults();
  p.enable_password_change = p.version != 1;
  TRY(p.validate());
  return p;
}

Status FormatManager::initialize(blob::Storage& storage, std::string_view password, const CreateOptions& options,
                                 std::stop_token stop) {
  TRY(options.blob_config.validate(), "blob config");
  TRY_ASSIGN(const Parameters parameters, new_parameters(options));
  TRY(require_absent(storage, kFormatBlobId, "repository already initialized", stop));
  TRY(require_absent(storage, kBlobConfigBlobId,
                     "possible corruption: blobcfg blob exists, but format blob is not found", stop));

  FormatBlob blob;
  blob.tool = kTool;
  blob.build_version = kBuildVersion;
  blob.build_info = kBuildInfo;
  blob.unique_id = given_or_random(options.unique_id);
  blob.key_algorithm = given_or(options.key_algorithm, crypto::kDefaultKdf);
  blob.encryption = "AES256_GCM";
  TRY_ASSIGN(const SecretBytes key, derive_format_key(blob, password));
  TRY_ASSIGN(blob.sealed, seal_parameters(parameters, key.view(), blob.unique_id));
  TRY_ASSIGN(const Bytes config, seal_blob_config(options.blob_config, key.view(), blob.unique_id));
  const std::string text = blob.serialize();
  // What is about to be written must open again.
  TRY_ASSIGN(const FormatBlob back, FormatBlob::parse(as_bytes(text)), "verifying the new format");
  TRY(open_parameters(back, key.view()), "verifying the new format");
  TRY(open_blob_config(config, key.view(), blob.unique_id), "verifying the new format");

  blob::PutOptions put;
  if (options.blob_config.enabled()) {
    put.retention_mode = options.blob_config.retention_mode;
    put.retention_period = options.blob_config.retention_period;
  }
  const ByteView config_parts[] = {config};
  TRY(storage.put(BlobId(kBlobConfigBlobId), config_parts, put, stop),
      "unable to write blobcfg blob: PutBlob() failed for \"{}\"", kBlobConfigBlobId);
  const ByteView format_parts[] = {as_bytes(text)};
  if (auto written = storage.put(BlobId(kFormatBlobId), format_parts, put, stop); !written.ok()) {
    remove_orphaned_blob_config(storage, stop);
    return std::move(written).status().with_frame(
        fmt::format("unable to write format blob: PutBlob() failed for \"{}\"", kFormatBlobId));
  }
  return {};
}

}  // namespace cairn::format
