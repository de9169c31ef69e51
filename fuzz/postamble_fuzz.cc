// The last bytes of a pack: what parses is written so that it parses the same.
#include "content/pack.h"

using namespace cairn;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto p = content::parse_postamble({data, size});
  if (!p.ok()) {
    return 0;
  }
  Buffer out;
  content::append_postamble(out, *p);
  const auto again = content::parse_postamble(out.view());
  CHECK(again.ok(), "{}", again.status().message());
  CHECK(again->iv == p->iv && again->local_index_offset == p->local_index_offset &&
        again->local_index_length == p->local_index_length);
  return 0;
}
