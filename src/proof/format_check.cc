#include "proof/format_check.h"

#include "format/repository_format.h"

namespace cairn::proof {

Result<std::optional<Damage>> check_format_blob(blob::Storage& storage, std::stop_token stop) {
  Damage d;
  d.kind = DamageKind::format_blob;
  d.subject = format::kFormatBlobId;
  d.touches_all = true;
  const auto bytes = storage.get(BlobId(format::kFormatBlobId), {}, std::move(stop));
  if (bytes.code() == Code::not_found) {
    d.detail = "it is not in the storage";
  } else {
    TRY(bytes, "error reading {}", format::kFormatBlobId);
    const auto parsed = format::FormatBlob::parse(bytes->view());
    if (parsed.ok()) {
      return std::optional<Damage>();
    }
    d.detail = parsed.status().message();
  }
  d.help = help_for(d, {});
  return std::optional<Damage>(std::move(d));
}

}  // namespace cairn::proof
