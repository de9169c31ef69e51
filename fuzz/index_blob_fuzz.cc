// Plaintext of an index blob, either version: every entry is read, searched for, and written again.
#include "index/index_blob.h"

using namespace cairn;

namespace {

void rebuild(const index::IndexReader& reader) {
  index::IndexBuilder builder;
  for (std::size_t i = 0; i < reader.size(); ++i) {
    const Result<index::Entry> entry = reader.at(i);
    if (!entry.ok()) {
      return;
    }
    builder.add(*entry);
  }
  CHECK(builder.size() == reader.size());
  Result<std::vector<Buffer>> built = builder.build(reader.version());
  if (!built.ok() || built->empty()) {  // a field may be over the limit of what is written
    return;
  }
  const auto back = index::IndexReader::open(std::move(built->front()), 28);
  CHECK(back.ok(), "{}", back.status().message());
  CHECK(back->size() == reader.size());
  for (std::size_t i = 0; i < reader.size(); ++i) {
    const index::Entry a = reader.at(i).value();
    const index::Entry b = back->at(i).value();
    CHECK(a.id == b.id && a.pack == b.pack && a.pack_offset == b.pack_offset && a.packed_length == b.packed_length &&
          a.original_length == b.original_length && a.timestamp_seconds == b.timestamp_seconds &&
          a.compression == b.compression && a.format_version == b.format_version && a.deleted == b.deleted);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Result<index::IndexReader> reader = index::IndexReader::open(Buffer::copy_of(ByteView{data, size}), 28);
  if (!reader.ok()) {
    return 0;
  }
  for (std::size_t i = 0; i < reader->size() && i < 4096; ++i) {
    const Result<index::Entry> entry = reader->at(i);
    if (entry.ok()) {
      const Result<std::ptrdiff_t> found = reader->find(entry->id);
      CHECK(found.ok() && *found == static_cast<std::ptrdiff_t>(i));
      CHECK(reader->lower_bound(entry->id) == i);
    }
  }
  rebuild(*reader);
  return 0;
}
