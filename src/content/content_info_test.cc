#include "content/content_info.h"

#include <gtest/gtest.h>

#include "content/content_manager.h"
#include "index/index_blob.h"

namespace cairn::content {
namespace {

TEST(ContentInfo, ThereAndBackKeepsEveryField) {
  ContentInfo info;
  info.id = *ContentId::parse("k00112233445566778899aabbccddeeff");
  info.pack = BlobId("q0123");
  info.pack_offset = 1;
  info.packed_length = 2;
  info.original_length = 3;
  info.timestamp_seconds = 4;
  info.compression = 5;
  info.format_version = 6;
  info.encryption_key_id = 7;
  info.deleted = true;
  const index::Entry entry = entry_of(info);
  EXPECT_EQ(entry.pack.data(), info.pack.text.data()) << "borrowed";
  const ContentInfo back = info_of(entry);
  EXPECT_EQ(back.id, info.id);
  EXPECT_EQ(back.pack, info.pack);
  EXPECT_EQ(back.pack_offset, info.pack_offset);
  EXPECT_EQ(back.packed_length, info.packed_length);
  EXPECT_EQ(back.original_length, info.original_length);
  EXPECT_EQ(back.timestamp_seconds, info.timestamp_seconds);
  EXPECT_EQ(back.compression, info.compression);
  EXPECT_EQ(back.format_version, info.format_version);
  EXPECT_EQ(back.encryption_key_id, info.encryption_key_id);
  EXPECT_EQ(back.deleted, info.deleted);
}

}  // namespace
}  // namespace cairn::content
