// What a client keeps or is given: connection tokens and repository.config.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "repo/local_config.h"

using namespace cairn;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto token = repo::decode_token(as_text({data, size}));
  if (token.ok()) {
    CHECK(repo::decode_token(repo::encode_token(*token)).ok());
  }
  static const int fd = ::memfd_create("config", 0);
  static const std::string path = fmt::format("/proc/self/fd/{}", fd);
  CHECK(::ftruncate(fd, 0) == 0);
  CHECK(::pwrite(fd, data, size, 0) == static_cast<ssize_t>(size));
  const auto config = repo::LocalConfig::load(path);
  if (config.ok()) {
    (void)config->to_json().dump();
  }
  return 0;
}
