// Ids of contents and objects: what is accepted has one text form.
#include "object/object_id.h"

using namespace cairn;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = as_text({data, size});
  const Result<object::ObjectId> id = object::ObjectId::parse(text);
  if (id.ok()) {
    const Result<object::ObjectId> again = object::ObjectId::parse(id->text());
    CHECK(again.ok() && *again == *id, "{}", id->text());
  }
  (void)ContentId::parse(text);
  return 0;
}
