// Whatever parses as a directory gives the same entries in pieces and whole, and what is encoded of it parses to the
// same.
#include "snapshot/directory.h"

using namespace cairn;
using namespace cairn::snapshot;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = as_text({data, size});
  std::vector<DirEntry> whole;
  const auto summary = for_each_entry(text, [&](const DirEntryView& e) -> Status {
    whole.push_back(e.to_entry());
    return {};
  });
  std::vector<DirEntry> pieces;
  DirectoryParser parser([&](const DirEntryView& e) -> Status {
    pieces.push_back(e.to_entry());
    return {};
  });
  const std::size_t step = size % 17 + 1;
  Status fed;
  for (std::size_t i = 0; i < size && fed.ok(); i += step) {
    fed = parser.feed(text.substr(i, step));
  }
  const auto again = parser.finish();
  CHECK(again.ok() == summary.ok());
  if (!summary.ok()) {
    return 0;
  }
  CHECK(pieces == whole && *again == *summary);
  std::string out;
  DirectoryEncoder encoder(out);
  for (const DirEntry& e : whole) {
    if (e.obj.empty()) {
      return 0;  // reads when left out, is written as "", which does not read
    }
    encoder.append(e);
  }
  encoder.finish(*summary);
  std::size_t i = 0;
  const auto back = for_each_entry(out, [&](const DirEntryView& e) -> Status {
    CHECK(i < whole.size() && e.to_entry() == whole[i]);
    ++i;
    return {};
  });
  CHECK(back.ok() && *back == *summary, "{}", out);
  return 0;
}
