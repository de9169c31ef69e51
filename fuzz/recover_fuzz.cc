// Packs whose local index is read: any bytes as pack, and any bytes properly sealed as a local index.
#include "blob/memory/memory_storage.h"
#include "content/pack.h"
#include "content/recover.h"

using namespace cairn;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto crypto = format::UnitCrypto::create(format::new_parameters({}).value()).value();
  const ByteView bytes{data, size};
  const auto storage = blob::make_memory_storage();
  const BlobId id("p0123456789abcdef0123456789abcdef-s0123456789abcdef123");
  const auto recover = [&](ByteView pack) {
    const auto stored = storage->put(id, pack, {});
    CHECK(stored.ok());
    index::IndexBuilder entries;
    const auto count = content::recover_pack_index(*storage, *crypto, *stored, entries, {});
    if (count.ok()) {
      CHECK(entries.size() <= *count);
    }
  };
  recover(bytes);
  static const Bytes iv(16, 3);
  const auto sealed = crypto->seal(iv, bytes);
  CHECK(sealed.ok());
  Buffer pack = Buffer::copy_of(sealed->view());
  content::append_postamble(pack, {iv, 0, sealed->size()});
  recover(pack.view());
  return 0;
}
