#include "proof/ledger.h"

#include <gmock/gmock.h>

#include "proof/proof_test_support.h"
#include "sys/file.h"
#include "tests/support/faulty_storage.h"

namespace cairn::proof {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

const auto keep_all = [](const std::string&, const LedgerRow&) { return true; };
const Bytes kKey(32, 7);

class LedgerFile : public ::testing::Test {
 protected:
  void SetUp() override {
    auto made = sys::TempDir::make("cairn-ledger-test-");
    ASSERT_TRUE(made.ok());
    temp_ = std::move(*made);
  }
  std::string path() const { return temp_.path() + "/state/ledger"; }
  sys::TempDir temp_;
};

TEST_F(LedgerFile, KeepsWhatWasRecorded) {
  Ledger first = Ledger::load(path(), kKey);
  EXPECT_THAT(first.problem(), IsEmpty());  // none yet
  first.record("p1", {100, 5, 3, 1000, false});
  first.record("p2", {200, 6, 4, 1001, true});
  ASSERT_TRUE(first.save(keep_all).ok());
  const Ledger second = Ledger::load(path(), kKey);
  ASSERT_NE(second.find("p1"), nullptr);
  EXPECT_EQ(*second.find("p1"), (LedgerRow{100, 5, 3, 1000, false}));
  EXPECT_TRUE(second.find("p2")->failed);
  EXPECT_EQ(second.find("p3"), nullptr);
}

TEST_F(LedgerFile, AnythingWrongMeansNothingWasRead) {
  Ledger good = Ledger::load(path(), kKey);
  for (int i = 0; i < 3; ++i) {
    good.record("p" + std::to_string(i), {100, 5, 3, 1000, false});
  }
  ASSERT_TRUE(good.save(keep_all).ok());
  EXPECT_EQ(Ledger::load(path(), Bytes(32, 8)).size(), 0U);  // another repository's key
  const auto bytes = sys::read_file(path(), 1 << 20);
  ASSERT_TRUE(bytes.ok());
  for (std::size_t at = 0; at < bytes->size(); ++at) {
    Buffer bad = Buffer::copy_of(bytes->view());
    bad[at] ^= 4;
    ASSERT_TRUE(sys::write_file_atomic(path(), bad.view(), 0600).ok());
    const Ledger l = Ledger::load(path(), kKey);
    ASSERT_EQ(l.size(), 0U) << "flipped at " << at;
    ASSERT_THAT(l.problem(), HasSubstr("ledger"));
    ASSERT_TRUE(sys::write_file_atomic(path(), bytes->view().first(at), 0600).ok());
    ASSERT_EQ(Ledger::load(path(), kKey).size(), 0U) << "cut at " << at;
  }
  // It is begun anew.
  Ledger again = Ledger::load(path(), kKey);
  again.record("p1", {1, 2, 3, 4, false});
  ASSERT_TRUE(again.save(keep_all).ok());
  EXPECT_EQ(Ledger::load(path(), kKey).size(), 1U);
}

TEST_F(LedgerFile, TwoProcessesKeepEachOthersRows) {
  Ledger a = Ledger::load(path(), kKey);
  Ledger b = Ledger::load(path(), kKey);
  a.record("p1", {1, 1, 1, 10, false});
  a.record("both", {1, 1, 1, 10, false});
  b.record("p2", {1, 1, 1, 20, false});
  b.record("both", {1, 1, 1, 20, true});
  ASSERT_TRUE(b.save(keep_all).ok());
  ASSERT_TRUE(a.save(keep_all).ok());
  const Ledger l = Ledger::load(path(), kKey);
  EXPECT_EQ(l.size(), 3U);
  EXPECT_EQ(l.find("both")->read_at, 20);
  EXPECT_TRUE(l.find("both")->failed);
}

TEST_F(LedgerFile, RowsOfBlobsThatAreGoneAreDropped) {
  Ledger l = Ledger::load(path(), kKey);
  l.record("p1", {1, 1, 1, 10, false});
  l.record("p2", {1, 1, 1, 10, false});
  ASSERT_TRUE(l.save([](const std::string& b, const LedgerRow&) { return b == "p2"; }).ok());
  EXPECT_EQ(Ledger::load(path(), kKey).size(), 1U);
}

TEST_F(LedgerFile, RepositoriesAndTheirCopiesAreApart) {
  const auto memory = blob::make_memory_storage();
  EXPECT_NE(ledger_path(Bytes(32, 1), *memory), ledger_path(Bytes(32, 2), *memory));
  struct Elsewhere : blob::ForwardingStorage {
    using ForwardingStorage::ForwardingStorage;
    std::string display_name() const override { return "elsewhere"; }
  };
  EXPECT_NE(ledger_path(Bytes(32, 1), *memory), ledger_path(Bytes(32, 1), Elsewhere(memory)));
}

class Coverages : public testing::ProofTest {
 protected:
  void SetUp() override {
    ProofTest::SetUp();
    auto made = sys::TempDir::make("cairn-ledger-test-");
    ASSERT_TRUE(made.ok());
    temp_ = std::move(*made);
    for (int i = 0; i < kSnapshots; ++i) {
      snapshot("s" + std::to_string(i), {{"file", "content " + std::to_string(i)}});
    }
  }
  static constexpr int kSnapshots = 4;  // 4 p packs and 4 q packs
  VerifyReport run(std::int64_t byte_budget, Duration time_budget = {}) {
    Ledger ledger = Ledger::load(temp_.path() + "/ledger", kKey);
    return verify(ReadPacks::longest_unread, &ledger, byte_budget, time_budget);
  }
  std::int64_t packs_read(const VerifyReport& r) { return r.read.blobs - std::ssize(blobs("xn")); }
  sys::TempDir temp_;
};

TEST_F(Coverages, BudgetsAreKeptAndEveryPackHasItsTurn) {
  // One pack a run, whatever the budget.
  for (int i = 1; i <= 2 * kSnapshots; ++i) {
    const VerifyReport r = run(1);
    EXPECT_EQ(packs_read(r), 1);
    // Manifests lie in all q packs: no snapshot is whole before the last pack has been read.
    const Coverage c = coverage_of(r, {});
    EXPECT_EQ(c.read_back, i < 2 * kSnapshots ? c.read_back : kSnapshots);
    EXPECT_EQ(r.read_back.bytes == r.in_use.bytes, i == 2 * kSnapshots);
    clock_.advance(hours(1));
  }
  // Then the longest unread: the first of the eight, seven hours after the second oldest stays at that age.
  const VerifyReport r = run(1);
  const Coverage c = coverage_of(r, {});
  ASSERT_TRUE(c.oldest);
  EXPECT_EQ((r.time - *c.oldest).ns, hours(2 * kSnapshots - 1).ns);
}

TEST_F(Coverages, TimeBudgetStillReadsOnePack) {
  EXPECT_EQ(packs_read(run(0, Duration{1})), 1);
  EXPECT_EQ(packs_read(run(0, hours(1))), 2 * kSnapshots);
}

TEST_F(Coverages, ASnapshotIsOldAsItsOldestByte) {
  run(0);
  clock_.advance(hours(24 * 10));
  snapshot("late", {{"file", "content 0"}, {"more", "more"}});  // shares a pack with the first
  const VerifyReport r = run(1);                                // one of the two new packs
  EXPECT_EQ(coverage_of(r, {}).read_back, 0);  // a new manifest has not been read: it may be of any snapshot
  const VerifyReport all = run(1);
  const Coverage c = coverage_of(all, {});
  EXPECT_EQ(c.read_back, kSnapshots + 1);
  EXPECT_GE((all.time - *c.oldest).ns, hours(24 * 10).ns);
  EXPECT_EQ(coverage_of(all, hours(24 * 9)).read_back, 0);
  EXPECT_EQ(coverage_of(all, hours(24 * 11)).read_back, kSnapshots + 1);
}

TEST_F(Coverages, ARewrittenPackCountsAsUnread) {
  run(0);
  const BlobId pack = blobs("p").at(0);
  const auto bytes = storage_->get(pack, {}, {});
  clock_.advance(hours(1));
  ASSERT_TRUE(storage_->put(pack, bytes->view(), {}).ok());  // same bytes, another time
  Ledger ledger = Ledger::load(temp_.path() + "/ledger", kKey);
  const VerifyReport r = run(1);
  EXPECT_EQ(r.read_back.bytes, r.in_use.bytes);  // it had the first turn
  EXPECT_EQ(packs_read(r), 1);
}

TEST_F(Coverages, ALostPackIsDamageAndItsRowGoes) {
  run(0);
  const BlobId pack = blobs("p").at(0);
  lose(pack);
  const VerifyReport r = run(1);
  ASSERT_EQ(r.damages.size(), 1U);
  EXPECT_EQ(r.damages[0].kind, DamageKind::missing_pack);
  EXPECT_EQ(coverage_of(r, {}).read_back, kSnapshots - 1);
}

TEST_F(Coverages, AFailedPackIsReadFirstUntilItIsGood) {
  const auto good = copy_of(*storage_, clock_);
  const BlobId pack = blobs("p").at(2);
  flip(pack, first_content(pack));
  EXPECT_EQ(run(0).damages.size(), 1U);
  const VerifyReport again = run(1);
  ASSERT_EQ(again.damages.size(), 1U);
  EXPECT_EQ(again.damages[0].subject, pack.text);
  EXPECT_EQ(coverage_of(again, {}).read_back, kSnapshots - 1);
  const auto bytes = good->get(pack, {}, {});
  ASSERT_TRUE(storage_->put(pack, bytes->view(), {}).ok());
  const VerifyReport healed = run(1);
  EXPECT_THAT(healed.damages, IsEmpty());
  EXPECT_EQ(coverage_of(healed, {}).read_back, kSnapshots);
}

TEST_F(Coverages, AReadingFromTheFutureIsNotBelieved) {
  clock_.advance(hours(1000));
  run(0);
  clock_.advance(hours(-900));
  EXPECT_LT(run(1).read_back.bytes, run(1).in_use.bytes);
}

TEST_F(Coverages, WhatWasReadBeforeTheStorageFailedIsRemembered) {
  auto faulty = std::make_shared<cairn::test::FaultyStorage>(storage_);
  auto opened = open(faulty, true);
  ASSERT_TRUE(opened.ok());
  cairn::test::Fault fault;
  fault.op = cairn::test::Op::get;
  fault.prefix = "p";
  fault.skip = 2;
  fault.status = error(Code::permission_denied, "injected fault");
  faulty->add(fault);
  Ledger ledger = Ledger::load(temp_.path() + "/ledger", kKey);
  VerifyOptions options;
  options.read = ReadPacks::longest_unread;
  options.ledger = &ledger;
  options.parallel = 1;
  EXPECT_FALSE(verify_repository(**opened, options, {}, {}).ok());
  EXPECT_GE(Ledger::load(temp_.path() + "/ledger", kKey).size(), 2U);
  const VerifyReport rest = run(0);
  EXPECT_THAT(rest.damages, IsEmpty());
}

}  // namespace
}  // namespace cairn::proof
