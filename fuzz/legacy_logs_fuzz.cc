// Compaction logs of format 1, any bytes and properly sealed ones, beside some index blobs.
#include "blob/memory/memory_storage.h"
#include "index/index_manager.h"

using namespace cairn;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::shared_ptr<const format::UnitCrypto> crypto =
      format::UnitCrypto::create(format::new_parameters({}).value()).value();
  const ByteView bytes{data, size};
  const std::shared_ptr<blob::Storage> storage = blob::make_memory_storage();
  for (const char* id : {"n0", "n1", "n2"}) {
    CHECK(storage->put(BlobId(id), bytes, {}).ok());
  }
  const auto sealed = crypto->seal_blob("m", "", bytes);
  CHECK(sealed.ok());
  CHECK(storage->put(sealed->id, sealed->data.view(), {}).ok());
  const auto manager = index::make_legacy_index_manager(storage, crypto);
  const auto active = manager->active({});
  CHECK(!active.ok() || active->blobs.size() <= 3);
  CHECK(storage->put(sealed->id, bytes, {}).ok());
  CHECK(!manager->active({}).ok());
  return 0;
}
