// The content of a manifest (an `m` content): any bytes, and any bytes compressed as they must be.
#include "compress/codec.h"
#include "manifest/manifest_manager.h"
#include "tests/support/test_repository.h"

using namespace cairn;

namespace {

void load(content::ContentManager& contents, ByteView stored) {
  const auto id = contents.write(stored, 'm', 0, {});
  CHECK(id.ok(), "{}", id.status().message());
  const auto manifests = manifest::ManifestManager::create(contents, system_clock(), {});
  const auto found = manifests->find_with_payload({}, {});
  if (found.ok()) {
    for (const manifest::Manifest& m : *found) {
      (void)m.payload.dump();
    }
  }
  CHECK(contents.remove(*id, {}).ok());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static test::TestRepository repository;
  static auto opened = repository.open().value();
  const ByteView bytes{data, size};
  load(*opened, bytes);
  Buffer packed;
  CHECK(compress::gzip(bytes, packed).ok());
  load(*opened, packed.view());
  return 0;
}
