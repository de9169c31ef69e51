// A log blob: any bytes, and any bytes properly sealed.
#include "blob/memory/memory_storage.h"
#include "repo/repository_log.h"

using namespace cairn;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto crypto = format::UnitCrypto::create(format::new_parameters({}).value()).value();
  const ByteView bytes{data, size};
  const auto storage = blob::make_memory_storage();
  const auto sealed = crypto->seal_blob("_log_20240102030405_abcd_1704164645_1704164645_1_", "", bytes);
  CHECK(sealed.ok());
  CHECK(storage->put(sealed->id, sealed->data.view(), {}).ok());
  (void)repo::read_log_blob(*storage, *crypto, sealed->id, {});
  const BlobId named("_log_" + std::string(as_text(bytes.first(std::min<std::size_t>(size, 100)))));
  if (named.text.find('/') == std::string::npos && named.text.find('\0') == std::string::npos) {
    CHECK(storage->put(named, bytes, {}).ok());
  }
  (void)repo::list_log_sessions(*storage, {});
  (void)repo::read_log_blob(*storage, *crypto, named, {});
  return 0;
}
