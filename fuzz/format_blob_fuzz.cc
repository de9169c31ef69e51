// kopia.repository: the outer JSON; and the input taken for the inner JSON, sealed with a key that is no secret. What
// can be read must be written so that it reads the same.
#include <array>

#include "format/repository_format.h"
#include "format/sealing.h"

using namespace cairn;

namespace {

constexpr std::array<Byte, 32> kKey{};

void inner_document(ByteView bytes) {
  format::FormatBlob blob;
  blob.unique_id.assign(kKey.begin(), kKey.end());
  const auto sealed = format::seal_with_format_key(kKey, kKey, bytes);
  CHECK(sealed.ok());
  blob.sealed.assign(sealed->view().begin(), sealed->view().end());
  const auto p = format::open_parameters(blob, kKey);
  if (!p.ok()) {
    return;
  }
  (void)p->validate();
  if (p->upgrade_lock) {
    (void)p->upgrade_lock->locked({0});
    (void)p->upgrade_lock->writers_drained({0});
  }
  const auto again = format::seal_parameters(*p, kKey, kKey);
  CHECK(again.ok());
  blob.sealed = *again;
  const auto back = format::open_parameters(blob, kKey);
  CHECK(back.ok(), "{}", back.status().message());
  CHECK(back->content_format_json().dump() == p->content_format_json().dump());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView bytes{data, size};
  const Result<format::FormatBlob> blob = format::FormatBlob::parse(bytes);
  if (blob.ok()) {
    (void)format::open_parameters(*blob, kKey);
    const std::string text = blob->serialize();
    const auto back = format::FormatBlob::parse(as_bytes(text));
    CHECK(back.ok());
    CHECK(back->unique_id == blob->unique_id && back->sealed == blob->sealed);
  }
  (void)format::open_blob_config(bytes, kKey, kKey);
  (void)format::recover_replica(bytes, bytes);
  inner_document(bytes);
  return 0;
}
