// The JSON of indirect objects.
#include "object/indirect.h"

using namespace cairn;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto entries = object::decode_indirect(as_text({data, size}));
  if (!entries.ok()) {
    return 0;
  }
  CHECK(!entries->empty());
  const std::string text = object::encode_indirect(*entries);
  const auto again = object::decode_indirect(text);
  CHECK(again.ok(), "{}", again.status().message());
  CHECK(object::encode_indirect(*again) == text);
  return 0;
}
