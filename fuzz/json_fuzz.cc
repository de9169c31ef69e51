// Whatever parses prints, and what was printed parses and prints the same again (but -0 from a float, as Go prints it,
// comes back as the integer 0).
#include "base/json.h"

#include "base/bytes.h"

using namespace cairn;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Result<Json> parsed = Json::parse(as_text({data, size}));
  if (parsed.ok()) {
    const std::string text = parsed->dump();
    const Result<Json> again = Json::parse(text);
    CHECK(again.ok(), "{}", text);
    const std::string second = again->dump();
    const Result<Json> third = Json::parse(second);
    CHECK(third.ok() && third->dump() == second, "{}", text);
  }
  return 0;
}
