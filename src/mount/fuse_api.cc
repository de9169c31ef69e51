#include "mount/fuse_api.h"

#include <dlfcn.h>

namespace cairn::mount {

Result<const FuseApi*> FuseApi::load() {
  static FuseApi api;
  static const Status loaded = []() -> Status {
    void* library = ::dlopen("libfuse3.so.3", RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) {
      return error(Code::unsupported, "mounting needs libfuse3.so.3: install the package libfuse3-3 (and fuse3)");
    }
#define CAIRN_FUSE_FIND(name)                                                                         \
  api.name = reinterpret_cast<decltype(api.name)>(::dlsym(library, #name));                           \
  if (api.name == nullptr) {                                                                          \
    return error(Code::unsupported, "libfuse3.so.3 has no {}: install version 3.14 or later", #name); \
  }
    CAIRN_FUSE_FUNCTIONS(CAIRN_FUSE_FIND)
#undef CAIRN_FUSE_FIND
    return {};
  }();
  TRY(Status(loaded));
  return &api;
}

}  // namespace cairn::mount
