#include "content/content_info.h"

#include "content/content_manager.h"
#include "index/index_blob.h"

namespace cairn::content {

ContentInfo info_of(const index::Entry& entry) {
  ContentInfo i;
  i.id = entry.id;
  i.pack = BlobId(entry.pack);
  i.pack_offset = entry.pack_offset;
  i.packed_length = entry.packed_length;
  i.original_length = entry.original_length;
  i.timestamp_seconds = entry.timestamp_seconds;
  i.compression = entry.compression;
  i.format_version = entry.format_version;
  i.encryption_key_id = entry.encryption_key_id;
  i.deleted = entry.deleted;
  return i;
}

index::Entry entry_of(const ContentInfo& info) {
  index::Entry e;
  e.id = info.id;
  e.pack = info.pack.text;
  e.pack_offset = info.pack_offset;
  e.packed_length = info.packed_length;
  e.original_length = info.original_length;
  e.timestamp_seconds = info.timestamp_seconds;
  e.compression = info.compression;
  e.format_version = info.format_version;
  e.encryption_key_id = info.encryption_key_id;
  e.deleted = info.deleted;
  return e;
}

}  // namespace cairn::content
