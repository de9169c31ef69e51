// Plaintext of an index blob, either version: every entry is read and searched for.
#include "index/index_blob.h"

using namespace cairn;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Result<index::IndexReader> reader = index::IndexReader::open(Buffer::copy_of(ByteView{data, size}), 28);
  if (!reader.ok()) {
    return 0;
  }
  for (std::size_t i = 0; i < reader->size() && i < 4096; ++i) {
    const Result<index::Entry> entry = reader->at(i);
    if (entry.ok()) {
      const Result<std::ptrdiff_t> found = reader->find(entry->id);
      CHECK(!found.ok() || *found < static_cast<std::ptrdiff_t>(reader->size()));
      CHECK(reader->lower_bound(entry->id) <= reader->size());
    }
  }
  return 0;
}
