#include "proof/heal.h"

#include <gmock/gmock.h>

#include "proof/index_loss.h"
#include "proof/proof_test_support.h"
#include "tests/support/faulty_storage.h"

namespace cairn::proof {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::kPassword;

class Heal : public testing::ProofTest {
 protected:
  void SetUp() override {
    ProofTest::SetUp();
    snapshot("one", {{"a", "content of a"}, {"b", "content of b"}});
    snapshot("two", {{"a", "content of a"}, {"c", "content of c"}});
    copy_ = copy_of(*storage_, clock_);
    good_ = bytes_of(*storage_);
  }

  // As the command does it: the format, then all else.
  Result<VerifyReport> try_heal(std::shared_ptr<blob::Storage> ours, HealOptions options = {.full = true}) {
    actions_.clear();
    options.parallel = 1;
    const OnHeal note = [this](const HealAction& a) { actions_.push_back(a); };
    const auto patched = std::make_shared<PatchedStorage>(ours);
    TRY(heal_format(*ours, *copy_, kPassword, options, *patched, note, {}));
    std::shared_ptr<blob::Storage> seen = ours;
    if (options.dry_run) {
      seen = patched;
    }
    TRY_ASSIGN(const auto repository, open(seen, options.dry_run));
    return heal_blobs(*repository, *copy_, options, {}, note, {});
  }
  VerifyReport heal(HealOptions options = {.full = true}) {
    auto report = try_heal(storage_, options);
    EXPECT_TRUE(report.ok()) << report.status().message();
    return report.ok() ? std::move(*report) : VerifyReport();
  }
  void expect_whole() {
    const VerifyReport r = verify();
    for (const Damage& d : r.damages) {
      ADD_FAILURE() << damage_text(d);
    }
    EXPECT_EQ(r.snapshots.size(), 2U);
    EXPECT_EQ(coverage_of(r, {}).read_back, 2);
    EXPECT_TRUE(bytes_of(*storage_) == good_) << "the blobs are not those of before";
  }
  std::vector<HealOutcome> outcomes() const {
    std::vector<HealOutcome> out;
    for (const HealAction& a : actions_) {
      out.push_back(a.outcome);
    }
    return out;
  }
  // Every kind of damage at once.
  void ruin() {
    const auto p = blobs("p");
    const auto q = blobs("q");
    const auto xn = blobs("xn");
    flip(p.at(0), first_content(p.at(0)));
    flip(q.at(1), first_content(q.at(1)) + 5);
    lose(p.at(1));
    cut(q.at(0), 100);
    flip(xn.at(0), 30);
    lose(xn.at(1));
    lose(BlobId(format::kFormatBlobId));
    lose(BlobId(format::kBlobConfigBlobId));
  }

  std::shared_ptr<blob::Storage> copy_;
  std::map<std::string, std::string> good_;
  std::vector<HealAction> actions_;
};

TEST_F(Heal, LeavesAGoodRepositoryAlone) {
  EXPECT_THAT(heal().damages, IsEmpty());
  EXPECT_THAT(actions_, IsEmpty());
  expect_whole();
}

TEST_F(Heal, EveryKindOfDamageAlone) {
  const std::vector<std::pair<const char*, std::function<void()>>> damages = {
      {"missing data pack", [&] { lose(blobs("p").at(0)); }},
      {"missing metadata pack", [&] { lose(blobs("q").at(0)); }},
      {"flipped data", [&] { flip(blobs("p").at(1), first_content(blobs("p").at(1))); }},
      {"flipped metadata", [&] { flip(blobs("q").at(1), first_content(blobs("q").at(1))); }},
      {"short pack", [&] { cut(blobs("p").at(0), 70); }},
      {"missing index blob", [&] { lose(blobs("xn").at(0)); }},
      {"last index blob missing", [&] { lose(blobs("xn").at(1)); }},
      {"flipped index blob", [&] { flip(blobs("xn").at(1), 30); }},
      {"short index blob", [&] { cut(blobs("xn").at(0), 30); }},
      {"missing format blob", [&] { lose(BlobId(format::kFormatBlobId)); }},
      {"format blob that is no JSON", [&] { cut(BlobId(format::kFormatBlobId), 100); }},
      {"flipped configuration", [&] { flip(BlobId(format::kBlobConfigBlobId), 20); }},
  };
  for (const auto& [name, damage] : damages) {
    SCOPED_TRACE(name);
    damage();
    ASSERT_NE(bytes_of(*storage_), good_);
    EXPECT_THAT(heal().damages, IsEmpty());
    EXPECT_EQ(outcomes(), std::vector{HealOutcome::healed});
    expect_whole();
  }
}

TEST_F(Heal, EverythingAtOnce) {
  ruin();
  EXPECT_THAT(heal().damages, IsEmpty());
  EXPECT_EQ(actions_.size(), 8U);
  expect_whole();
}

TEST_F(Heal, ByTheListingAloneFindsWhatIsMissing) {
  lose(blobs("p").at(1));
  EXPECT_THAT(heal({}).damages, IsEmpty());
  expect_whole();
}

TEST_F(Heal, ADryRunChecksAndWritesNothing) {
  ruin();
  const auto before = bytes_of(*storage_);
  heal({.full = true, .dry_run = true});
  EXPECT_EQ(outcomes(), std::vector(8, HealOutcome::would_heal));
  EXPECT_TRUE(bytes_of(*storage_) == before);
}

// Killed after each change, and run again.
TEST_F(Heal, MayBeEndedAtAnyPoint) {
  ruin();
  const auto ruined = bytes_of(*storage_);
  for (int changes = 0; changes <= 9; ++changes) {
    SCOPED_TRACE(changes);
    storage_ = blob::make_memory_storage(clock_);
    for (const auto& [name, bytes] : ruined) {
      ASSERT_TRUE(storage_->put(BlobId(name), as_bytes(bytes), {}).ok());
    }
    auto faulty = std::make_shared<cairn::test::FaultyStorage>(storage_);
    faulty->cut_after_changes(changes);
    const auto cut_short = try_heal(faulty);
    EXPECT_EQ(cut_short.ok(), changes > 8) << (cut_short.ok() ? "" : cut_short.status().message());
    // What is there is either ours as it was or the good blob.
    for (const auto& [name, bytes] : bytes_of(*storage_)) {
      EXPECT_TRUE(good_.at(name) == bytes || ruined.at(name) == bytes) << name;
    }
    EXPECT_THAT(heal().damages, IsEmpty());
    expect_whole();
  }
}

TEST_F(Heal, AnotherRepositoryIsRefused) {
  lose(blobs("p").at(0));
  copy_ = blob::make_memory_storage(clock_);
  create(*copy_);
  const auto before = bytes_of(*storage_);
  auto r = try_heal(storage_);
  ASSERT_EQ(r.code(), Code::failed_precondition);
  EXPECT_THAT(r.status().message(), HasSubstr("another repository"));
  lose(BlobId(format::kFormatBlobId));
  r = try_heal(storage_);  // with the right password, but other keys
  ASSERT_EQ(r.code(), Code::failed_precondition) << r.status().message();
  EXPECT_THAT(r.status().message(), HasSubstr("nothing in the storage opens"));
  copy_ = blob::make_memory_storage(clock_);  // no repository at all
  EXPECT_EQ(try_heal(storage_).code(), Code::failed_precondition);
  EXPECT_EQ(bytes_of(*storage_).size(), before.size() - 1);
}

TEST_F(Heal, AFormatBlobThatDoesNotOpenIsReplacedOnlyOnRequest) {
  auto blob = storage_->get(BlobId(format::kFormatBlobId), {}, {});
  ASSERT_TRUE(blob.ok());
  std::string text(blob->text());
  const std::size_t at = text.find("encryptedBlockFormat") + 60;
  text[at] = text[at] == 'A' ? 'B' : 'A';
  ASSERT_TRUE(storage_->put(BlobId(format::kFormatBlobId), as_bytes(text), {}).ok());
  const auto r = try_heal(storage_);
  EXPECT_EQ(r.code(), Code::unauthenticated);
  EXPECT_THAT(r.status().message(), HasSubstr("--replace-format-blob"));
  heal({.full = true, .replace_format = true});
  expect_whole();
}

TEST_F(Heal, ACopyThatIsDamagedTooIsNotTaken) {
  const BlobId pack = blobs("p").at(1);
  flip(pack, first_content(pack));
  auto bytes = copy_->get(pack, {}, {});
  ASSERT_TRUE(bytes.ok());
  (*bytes)[first_content(pack) + 2] ^= 1;
  ASSERT_TRUE(copy_->put(pack, bytes->view(), {}).ok());
  const auto before = bytes_of(*storage_);
  heal();
  EXPECT_EQ(outcomes(), std::vector{HealOutcome::copy_damaged});
  EXPECT_TRUE(bytes_of(*storage_) == before);
  ASSERT_TRUE(copy_->remove(pack, {}).ok());
  EXPECT_THAT(heal().damages, IsEmpty());  // the listing does not see it
  EXPECT_EQ(outcomes(), std::vector{HealOutcome::not_in_copy});
  EXPECT_TRUE(bytes_of(*storage_) == before);
}

// The copy is older: it has blobs that were merged and dropped here since.
TEST_F(Heal, WhatWasDeletedRightlyStaysAway) {
  const auto old = blobs("xn");
  {
    auto opened = open(storage_);
    ASSERT_TRUE(opened.ok());
    // All entries in one blob, then the old ones go: what compaction comes to.
    index::IndexBuilder all;
    ASSERT_TRUE((*opened)
                    ->contents()
                    .iterate({},
                             [&](const content::ContentInfo& c) -> Status {
                               all.add({c.id, c.pack.text, c.pack_offset, c.packed_length, c.original_length,
                                        c.timestamp_seconds, c.compression, c.format_version, c.encryption_key_id,
                                        c.deleted});
                               return {};
                             },
                             {})
                    .ok());
    auto plain = all.build(2);
    ASSERT_TRUE(plain.ok());
    ASSERT_TRUE((*opened)->contents().indexes().write(std::move(*plain), "s00112233445566778199", {}).ok());
  }
  for (const BlobId& id : old) {
    lose(id);
  }
  // A pack that nothing refers to any more, and one that only the copy has.
  ASSERT_TRUE(copy_->put(BlobId("p00112233445566778899aabbccddeeff-s0123456789abcdef147"), as_bytes("old"), {}).ok());
  good_ = bytes_of(*storage_);
  EXPECT_THAT(heal().damages, IsEmpty());
  EXPECT_THAT(actions_, IsEmpty());
  expect_whole();
}

blob::BlobMetadata blob_named(const std::string& id) {
  return {BlobId(id), 10, Timestamp::from_seconds(1'700'000'000)};
}

std::vector<std::string> names(const IndexLoss& loss) {
  std::vector<std::string> out;
  for (const auto& set : loss.sets) {
    for (const auto& b : set) {
      out.push_back(b.id.text);
    }
  }
  for (const auto& b : loss.markers) {
    out.push_back(b.id.text);
  }
  return out;
}

TEST(IndexLoss, ABlobOfACompactedEpochIsNotLost) {
  const std::string hash = "00112233445566778899aabbccddeeff-s0123456789abcdef147-c1";
  const auto none = names(find_index_loss({blob_named("xs1_" + hash), blob_named("xe3")},
                                          {blob_named("xn1_" + hash), blob_named("xe3"), blob_named("xe2")}));
  EXPECT_THAT(none, IsEmpty());
  EXPECT_THAT(
      names(find_index_loss({blob_named("xr0_4_" + hash)}, {blob_named("xn1_" + hash), blob_named("xs2_" + hash)})),
      IsEmpty());
}

TEST(IndexLoss, OthersAreAndLaterMarkersToo) {
  const std::string hash = "00112233445566778899aabbccddeeff-s0123456789abcdef147-c1";
  EXPECT_THAT(names(find_index_loss(
                  {blob_named("xs1_" + hash), blob_named("xe2")},
                  {blob_named("xn2_" + hash), blob_named("xs3_" + hash), blob_named("xe3"), blob_named("xe1")})),
              ::testing::ElementsAre("xn2_" + hash, "xs3_" + hash, "xe3"));
  // Half a compacted set covers nothing, and both halves come back with it.
  const std::string half = "00112233445566778899aabbccddeeff-s0123456789abcdef147-c2";
  const std::string other = "ff112233445566778899aabbccddee00-s0123456789abcdef147-c2";
  EXPECT_THAT(
      names(find_index_loss({blob_named("xs1_" + half)}, {blob_named("xs1_" + half), blob_named("xs1_" + other)})),
      ::testing::ElementsAre("xs1_" + other));
}

}  // namespace
}  // namespace cairn::proof
