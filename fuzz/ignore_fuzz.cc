// A dot-ignore file up to the first NUL, then a path: compiling and matching end, whatever they are.
#include "snapshot/ignore.h"

#include "base/bytes.h"

using namespace cairn;
using namespace cairn::snapshot;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = as_text({data, size});
  const std::size_t cut = std::min(text.find('\0'), text.size());
  const std::string_view path = text.substr(std::min(cut + 1, text.size()));
  for (const std::string_view base : {"", "/base"}) {
    const auto matchers = parse_dot_ignore_file(text.substr(0, cut), base);
    if (!matchers.ok()) {
      return 0;
    }
    for (const WildcardMatcher& m : *matchers) {
      m.match(path, false);
      m.match(path, true);
    }
  }
  return 0;
}
