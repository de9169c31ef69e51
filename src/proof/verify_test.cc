#include "proof/verify.h"

#include <gmock/gmock.h>

#include "proof/proof_test_support.h"

namespace cairn::proof {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class Verify : public testing::ProofTest {
 protected:
  void SetUp() override {
    ProofTest::SetUp();
    snapshot("one", {{"a", "content of a"}, {"b", "content of b"}});
    snapshot("two", {{"a", "content of a"}, {"c", "content of c"}});
  }
  const Damage& only_damage(const VerifyReport& r) {
    EXPECT_EQ(r.damages.size(), 1U);
    for (const Damage& d : r.damages) {
      SCOPED_TRACE(damage_text(d));
    }
    static const Damage kNone;
    return r.damages.empty() ? kNone : r.damages.front();
  }
  static std::vector<std::string> touched(const Damage& d) {
    std::vector<std::string> out;
    for (const TouchedSnapshot& t : d.touched) {
      for (const std::string& p : t.paths) {
        out.push_back(t.source + " " + p);
      }
    }
    return out;
  }
};

TEST_F(Verify, FindsNothingInAGoodRepository) {
  const VerifyReport r = verify();
  EXPECT_THAT(r.damages, IsEmpty());
  EXPECT_EQ(r.snapshots.size(), 2U);
  const Coverage c = coverage_of(r, {});
  EXPECT_EQ(c.read_back, 2);
  EXPECT_EQ(r.read_back.bytes, r.in_use.bytes);
  EXPECT_EQ(r.read.bytes, r.in_use.bytes);
}

TEST_F(Verify, WithoutReadingNothingCountsAsReadBack) {
  const VerifyReport r = verify(ReadPacks::none);
  EXPECT_THAT(r.damages, IsEmpty());
  EXPECT_EQ(coverage_of(r, {}).read_back, 0);
  EXPECT_FALSE(coverage_of(r, {}).oldest);
}

TEST_F(Verify, MissingPackNamesSnapshotsPathsAndHelp) {
  lose(blobs("p").at(1));
  const VerifyReport r = verify(ReadPacks::none);
  const Damage& d = only_damage(r);
  EXPECT_EQ(d.kind, DamageKind::missing_pack);
  EXPECT_THAT(touched(d), ElementsAre("alice@lab:/data/two sub/c"));
  ASSERT_FALSE(d.help.empty());
  EXPECT_THAT(d.help.front(), HasSubstr("heal --from"));
  EXPECT_THAT(damage_json(d).dump(), AllOf(HasSubstr("\"kind\":\"missing-pack\""), HasSubstr("sub/c")));
  EXPECT_EQ(coverage_of(r, {}).snapshots, 2);
}

TEST_F(Verify, SharedContentTouchesBothSnapshots) {
  lose(blobs("p").at(0));
  EXPECT_THAT(touched(only_damage(verify(ReadPacks::none))),
              ::testing::UnorderedElementsAre("alice@lab:/data/one sub/a", "alice@lab:/data/one sub/b",
                                              "alice@lab:/data/two sub/a"));
}

TEST_F(Verify, OneFlippedBitIsFoundByReadingOnly) {
  const BlobId pack = blobs("p").at(1);
  flip(pack, first_content(pack));
  EXPECT_THAT(verify(ReadPacks::none).damages, IsEmpty());
  const VerifyReport r = verify();
  const Damage& d = only_damage(r);
  EXPECT_EQ(d.kind, DamageKind::corrupt_pack);
  EXPECT_EQ(d.subject, pack.text);
  EXPECT_THAT(touched(d), ElementsAre("alice@lab:/data/two sub/c"));
  EXPECT_LT(r.read_back.bytes, r.in_use.bytes);
  EXPECT_EQ(coverage_of(r, {}).read_back, 1);
}

TEST_F(Verify, ShortPackIsFoundByTheListing) {
  const BlobId pack = blobs("p").at(1);
  cut(pack, first_content(pack) + 3);
  const VerifyReport r = verify(ReadPacks::none);
  const Damage& d = only_damage(r);
  EXPECT_EQ(d.kind, DamageKind::corrupt_pack);
  EXPECT_THAT(touched(d), ElementsAre("alice@lab:/data/two sub/c"));
}

TEST_F(Verify, LostDirectoryTouchesItsPath) {
  const BlobId pack = blobs("q").at(0);  // directories and the manifest of the first snapshot
  lose(pack);
  const VerifyReport r = verify(ReadPacks::none);
  const Damage& d = only_damage(r);
  EXPECT_TRUE(d.touches_unknown);  // the manifest of "one" is in it
  EXPECT_THAT(damage_text(d), HasSubstr("may touch snapshots that are not listed"));
  ASSERT_EQ(r.snapshots.size(), 1U);
  EXPECT_FALSE(r.snapshots[0].damaged);
}

TEST_F(Verify, LostIndexBlobIsToldByWhatIsMissingAndThePacksThatStillKnow) {
  const auto indexes = blobs("xn");
  ASSERT_EQ(indexes.size(), 2U);
  lose(indexes[0]);
  const VerifyReport r = verify(ReadPacks::none);
  const Damage& d = only_damage(r);
  EXPECT_EQ(d.kind, DamageKind::missing_content);
  EXPECT_THAT(touched(d), ElementsAre("alice@lab:/data/two sub/a"));
  ASSERT_GE(d.help.size(), 2U);
  EXPECT_THAT(d.help[1], AllOf(HasSubstr("index recover --commit"), HasSubstr(blobs("p").at(0).text),
                               HasSubstr(blobs("q").at(0).text)));
}

TEST_F(Verify, WithoutAnyIndexItDoesNotClaimThatAllIsWell) {
  for (const BlobId& id : blobs("xn")) {
    lose(id);
  }
  const VerifyReport r = verify();
  const Damage& d = only_damage(r);
  EXPECT_EQ(d.kind, DamageKind::missing_content);
  EXPECT_TRUE(d.touches_unknown);
  EXPECT_THAT(damage_text(d), HasSubstr("index recover"));
}

TEST_F(Verify, CorruptIndexBlobIsReportedAndTheRestIsWalked) {
  const BlobId index = blobs("xn").at(0);
  flip(index, 40);
  const VerifyReport r = verify();
  ASSERT_EQ(r.damages.size(), 2U);
  EXPECT_EQ(r.damages[0].kind, DamageKind::index_blob);
  EXPECT_EQ(r.damages[0].subject, index.text);
  EXPECT_TRUE(r.damages[0].touches_unknown);
  EXPECT_THAT(touched(r.damages[0]), ElementsAre("alice@lab:/data/two sub/a"));
  ASSERT_EQ(r.snapshots.size(), 1U);
  EXPECT_TRUE(r.snapshots[0].damaged);
}

TEST_F(Verify, DamageThatTouchesNothingSaysSo) {
  // Garbage under the name of an index blob.
  ASSERT_TRUE(storage_
                  ->put(BlobId("xn0_00112233445566778899aabbccddeeff-s0123456789abcdef147-c1"),
                        as_bytes(std::string(80, 'x')), {})
                  .ok());
  const VerifyReport r = verify();
  const Damage& d = only_damage(r);
  EXPECT_TRUE(d.touches_nothing());
  EXPECT_THAT(damage_text(d), HasSubstr("touches no snapshot"));
  EXPECT_EQ(coverage_of(r, {}).read_back, 2);
}

TEST_F(Verify, ManifestThatIsNoSnapshotIsNamed) {
  {
    auto opened = open(storage_);
    ASSERT_TRUE(opened.ok());
    ASSERT_TRUE((*opened)->manifests().put({{"type", "snapshot"}}, Json("nonsense"), {}).ok());
    ASSERT_TRUE((*opened)->flush({}).ok());
  }
  const VerifyReport r = verify(ReadPacks::none);
  const Damage& d = only_damage(r);
  EXPECT_EQ(d.kind, DamageKind::snapshot_manifest);
  EXPECT_THAT(d.help.front(), HasSubstr("manifest show " + d.subject));
  EXPECT_EQ(r.snapshots.size(), 2U);
}

TEST_F(Verify, MetricsAreInPrometheusForm) {
  const VerifyReport r = verify();
  const std::string text = report_metrics(r, coverage_of(r, {}), "abc");
  EXPECT_THAT(text, HasSubstr("# TYPE cairn_verify_snapshots_read_back gauge\n"
                              "cairn_verify_snapshots_read_back{repository=\"abc\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("cairn_verify_damages{repository=\"abc\"} 0\n"));
}

}  // namespace
}  // namespace cairn::proof
