// A file of the local cache: what was kept comes back, what somebody wrote there does not.
#include <filesystem>
#include <fstream>

#include "content/cache.h"
#include "sys/file.h"

using namespace cairn;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto directory = sys::TempDir::make("cairn-fuzz-", "/dev/shm").value();
  static const Bytes key(32, 7);
  const ByteView bytes{data, size};
  const auto open = [&] { return content::BlobCache::open(directory.path(), key, 1 << 30, hours(1), system_clock()); };
  const auto cache = open();
  if (!cache->put("p1", bytes)) {
    return 0;
  }
  const auto kept = cache->get("p1");
  CHECK(kept && std::ranges::equal(kept->view(), bytes));
  (void)cache->get_range("p1", 1, 3);
  for (const auto& file : std::filesystem::recursive_directory_iterator(directory.path())) {
    if (file.is_regular_file() && file.path().filename().string().find("p1") != std::string::npos) {
      std::ofstream(file.path(), std::ios::binary)
          .write(reinterpret_cast<const char*>(data), static_cast<std::streamsize>(size));
    }
  }
  const auto again = open();
  CHECK(!again->get("p1"), "bytes without a proof were taken");
  CHECK(!again->get_range("p1", 0, 1));
  return 0;
}
