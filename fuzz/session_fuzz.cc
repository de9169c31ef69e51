// A session marker: any bytes, and any bytes properly sealed.
#include "blob/memory/memory_storage.h"
#include "content/session.h"

using namespace cairn;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto crypto = format::UnitCrypto::create(format::new_parameters({}).value()).value();
  const ByteView bytes{data, size};
  const auto storage = blob::make_memory_storage();
  const std::string suffix = "s0123456789abcdef123";
  const auto sealed = crypto->seal_blob("s", suffix, bytes);
  CHECK(sealed.ok());
  CHECK(storage->put(sealed->id, sealed->data.view(), {}).ok());
  const auto sessions = content::list_sessions(*storage, *crypto, {});
  CHECK(!sessions.ok() || sessions->size() <= 1);
  CHECK(storage->put(sealed->id, bytes, {}).ok());
  CHECK(!content::list_sessions(*storage, *crypto, {}).ok());
  return 0;
}
