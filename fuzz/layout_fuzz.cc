// `.shards` of a tree, and the paths that are found in one.
#include "blob/sharding.h"

using namespace cairn;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = as_text({data, size});
  const auto layout = blob::ShardLayout::parse(text);
  if (layout.ok()) {
    const auto again = blob::ShardLayout::parse(layout->dump());
    CHECK(again.ok() && *again == *layout, "{}", layout->dump());
  }
  std::vector<std::string> paths;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string line(text.substr(at, end - at));
    if (layout.ok()) {
      const auto path = layout->path_of(BlobId(line));
      CHECK(!path.ok() || (!path->starts_with('/') && path->find("../") == std::string::npos), "{}", *path);
    }
    paths.push_back(line);
    at = end + 1;
  }
  (void)blob::recognise_layout(paths, nullptr);
  return 0;
}
