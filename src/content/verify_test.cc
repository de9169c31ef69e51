#include "content/verify.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "content/prefetch.h"
#include "content/recover.h"
#include "content/session.h"
#include "tests/support/test_repository.h"

namespace cairn::content {
namespace {

using cairn::test::TestRepository;

// Some contents in a p and a q pack.
class Packs : public ::testing::Test {
 protected:
  void SetUp() override {
    auto m = repo_.open();
    ASSERT_TRUE(m.ok()) << m.status().message();
    for (int i = 0; i < 20; ++i) {
      Buffer data(1000);
      random_bytes(data.mut());
      auto id = (*m)->write(data, i % 2 == 0 ? '\0' : 'k', compress::kNone, {});
      ASSERT_TRUE(id.ok());
      ids_.push_back(*id);
    }
    ASSERT_TRUE((*m)->flush({}).ok());
  }
  BlobId pack(const char* prefix) {
    auto all = repo_.storage()->list_all(prefix, {});
    return all.ok() && !all->empty() ? all->front().id : BlobId();
  }
  Status verify(double percent) {
    result_ = {};
    auto m = repo_.open({.read_only = true});
    TRY(m);
    return verify_contents(**m, {.read_percent = percent, .parallel = 4}, {}, result_, {});
  }
  void store(const BlobId& id, ByteView bytes) { ASSERT_TRUE(repo_.storage()->put(id, bytes, {}).ok()); }

  TestRepository repo_;
  std::vector<ContentId> ids_;
  VerifyContentsResult result_;
};

TEST_F(Packs, VerifyFindsNothingWrong) {
  const Status s = verify(100);
  EXPECT_TRUE(s.ok()) << s.message();
  EXPECT_EQ(result_.verified_contents, 20);
  EXPECT_EQ(result_.read_contents, 20);
  ASSERT_TRUE(verify(0).ok());
  EXPECT_EQ(result_.read_contents, 0);
}

TEST_F(Packs, VerifyCountsContentsOfAMissingPack) {
  ASSERT_TRUE(repo_.storage()->remove(pack("p"), {}).ok());
  const Status s = verify(0);
  EXPECT_TRUE(s.is(Code::corrupt));
  EXPECT_EQ(
      s.message(),
      "encountered 10 errors: the repository is corrupted, it is missing pack blobs with index-referenced content");
  EXPECT_EQ(result_.in_missing_packs, 10);
  EXPECT_EQ(result_.missing_packs, 1);
}

TEST_F(Packs, VerifySeesTruncationWithoutReading) {
  const BlobId id = pack("q");
  auto bytes = repo_.storage()->get(id, {}, {});
  ASSERT_TRUE(bytes.ok());
  store(id, bytes->view().first(2000));
  EXPECT_FALSE(verify(0).ok());
  EXPECT_GT(result_.in_truncated_packs, 0);
  EXPECT_LT(result_.in_truncated_packs, 10);
  EXPECT_EQ(result_.truncated_packs, 1);
  EXPECT_EQ(result_.verified_contents, 20);
}

TEST_F(Packs, VerifyFindsAFlippedBitOnlyByReading) {
  const BlobId id = pack("p");
  auto bytes = repo_.storage()->get(id, {}, {});
  ASSERT_TRUE(bytes.ok());
  (*bytes)[500] ^= 1;
  store(id, *bytes);
  EXPECT_TRUE(verify(0).ok());
  EXPECT_FALSE(verify(100).ok());
  EXPECT_EQ(result_.unreadable, 1);
  EXPECT_EQ(result_.corrupted_packs, 1);
  EXPECT_EQ(result_.read_contents, 20);
}

TEST_F(Packs, LocalIndexesGiveAllEntriesBack) {
  auto m = repo_.open({.read_only = true});
  ASSERT_TRUE(m.ok());
  index::IndexBuilder found;
  for (const char* prefix : {"p", "q"}) {
    auto blobs = repo_.storage()->list_all(prefix, {});
    ASSERT_TRUE(blobs.ok());
    for (const auto& blob : *blobs) {
      const auto n = recover_pack_index(*repo_.storage(), (*m)->crypto(), blob, found, {});
      ASSERT_TRUE(n.ok()) << n.status().message();
      EXPECT_EQ(*n, 10u);
    }
  }
  for (const ContentId& id : ids_) {
    const auto entry = found.find(id);
    ASSERT_TRUE(entry.has_value());
    auto info = (*m)->info(id, {});
    ASSERT_TRUE(info.ok());
    EXPECT_EQ(entry->pack_offset, info->pack_offset);
    EXPECT_EQ(entry->packed_length, info->packed_length);
    EXPECT_EQ(entry->pack, info->pack.text);
  }
}

TEST_F(Packs, RecoveryRefusesWhatIsNoLocalIndex) {
  auto m = repo_.open({.read_only = true});
  ASSERT_TRUE(m.ok());
  const BlobId id = pack("p");
  auto bytes = repo_.storage()->get(id, {}, {});
  ASSERT_TRUE(bytes.ok());
  index::IndexBuilder found;
  for (const std::size_t cut : {std::size_t{1}, std::size_t{40}, bytes->size() - 3}) {
    store(id, bytes->view().first(bytes->size() - cut));
    auto blob = repo_.storage()->metadata(id, {});
    ASSERT_TRUE(blob.ok());
    EXPECT_FALSE(recover_pack_index(*repo_.storage(), (*m)->crypto(), *blob, found, {}).ok()) << cut;
  }
  for (std::size_t at = bytes->size() - 300; at < bytes->size(); ++at) {  // no flipped byte is taken for an index
    Buffer damaged = Buffer::copy_of(bytes->view());
    damaged[at] ^= 0x40;
    store(id, damaged);
    auto blob = repo_.storage()->metadata(id, {});
    ASSERT_TRUE(blob.ok());
    EXPECT_FALSE(recover_pack_index(*repo_.storage(), (*m)->crypto(), *blob, found, {}).ok()) << at;
  }
  EXPECT_TRUE(found.empty());
}

TEST_F(Packs, OpensWithADamagedIndexWhenItIsDeferred) {
  const BlobId id = pack("xn");
  store(id, as_bytes("rubbish"));
  EXPECT_FALSE(repo_.open({.read_only = true}).ok());
  auto m = repo_.open({.read_only = true, .defer_indexes = true});
  ASSERT_TRUE(m.ok()) << m.status().message();
  EXPECT_FALSE((*m)->info(ids_.front(), {}).ok());
}

TEST_F(Packs, PrefetchCountsWhatItCouldRead) {
  auto m = repo_.open({.read_only = true});
  ASSERT_TRUE(m.ok());
  std::vector<ContentId> ids = ids_;
  Buffer other(10);
  random_bytes(other.mut());
  ids.push_back((*m)->id_of(other, 0));
  const auto count = prefetch_contents(**m, ids, 4, {});
  ASSERT_TRUE(count.ok());
  EXPECT_EQ(*count, 20);
  EXPECT_TRUE(sync_metadata_cache(**m, 4, {}).ok());
}

}  // namespace
}  // namespace cairn::content
