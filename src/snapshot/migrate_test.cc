#include "snapshot/migrate.h"

#include "snapshot/history.h"
#include "snapshot/restore_test_support.h"
#include "snapshot/tree_walk.h"

namespace cairn::snapshot {
namespace {

class MigrateTest : public test::RestoreFixture {
 protected:
  void SetUp() override {
    RestoreFixture::SetUp();
    other_storage_ = blob::make_memory_storage();
    ASSERT_TRUE(repo::create(*other_storage_, test::kRestorePassword, {}, {}).ok());
    auto opened = repo::Repository::open_direct(other_storage_, test::kRestorePassword, {}, {}, {}, {});
    ASSERT_TRUE(opened.ok());
    other_ = std::move(*opened);
  }
  Status migrate(MigrateOptions options = {}) {
    migrated_ = already_ = errors_ = 0;
    Migration migration(
        *repository_, *other_, options,
        {.on_snapshot = [&](const SnapshotManifest&, bool already) { ++(already ? already_ : migrated_); },
         .on_error = [&](const SnapshotManifest&, const Status&) { ++errors_; }});
    return migration.migrate({"lab", "alice", "/data"}, {});
  }
  std::vector<SnapshotManifest> there() {
    auto s = list_snapshots(other_->manifests(), {}, {});
    EXPECT_TRUE(s.ok());
    return s.ok() ? *s : std::vector<SnapshotManifest>{};
  }
  // "path size" of everything below, with contents of files compared to the source's.
  void expect_same_tree(const DirEntry& a, const DirEntry& b) {
    EXPECT_EQ(a.name, b.name);
    EXPECT_EQ(a.type, b.type);
    EXPECT_EQ(a.mode, b.mode);
    EXPECT_EQ(a.mtime, b.mtime);
    EXPECT_EQ(a.size, b.size);
    EXPECT_EQ(a.summ, b.summ);
    if (a.type != EntryType::directory) {
      auto x = objects().read_all(a.obj, 1 << 24, {});
      auto y = other_->objects().read_all(b.obj, 1 << 24, {});
      ASSERT_TRUE(x.ok() && y.ok());
      EXPECT_TRUE(x->text() == y->text()) << a.name;
      return;
    }
    const auto each = [&](const DirEntryView& e) -> Status {
      auto twin = find_child(other_->objects(), b.obj, e.name, {}, {});
      EXPECT_TRUE(twin.ok()) << e.name;
      if (twin.ok()) {
        expect_same_tree(e.to_entry(), *twin);
      }
      return {};
    };
    ASSERT_TRUE(for_each_child(objects(), a.obj, each, {}, {}).ok());
  }

  std::shared_ptr<blob::Storage> other_storage_;
  std::unique_ptr<repo::Repository> other_;
  int migrated_ = 0, already_ = 0, errors_ = 0;
};

TEST_F(MigrateTest, CopiesTreesAsTheyAre) {
  const DirEntry root =
      directory("data", {directory("d", {file("a", std::string(3 << 20, 'a')), directory("empty", {})}), file("b", ""),
                         link("l", "d/a")});
  save(root);
  save(root, "/data", test::kEntryTime + hours(1));
  save(root, "/elsewhere");
  ASSERT_TRUE(migrate().ok());
  EXPECT_EQ(migrated_, 2);
  const auto copies = there();
  ASSERT_EQ(copies.size(), 2U);
  expect_same_tree(root, *copies[0].root);
  ASSERT_TRUE(migrate().ok());
  EXPECT_EQ(already_, 2);
  EXPECT_EQ(there().size(), 2U);
}

TEST_F(MigrateTest, LatestOnlyAndIgnoreRules) {
  save(directory("data", {file("old", "1")}));
  save(directory("data", {file(".kopiaignore", "*.tmp\n"), file("x.tmp", "1"), directory("sub", {file("y.tmp", "2")}),
                          file("keep", "3")}),
       "/data", test::kEntryTime + hours(1));
  ASSERT_TRUE(migrate({.latest_only = true, .apply_ignore_rules = true}).ok());
  const auto copies = there();
  ASSERT_EQ(copies.size(), 1U);
  EXPECT_EQ(copies[0].root->summ->files, 2) << ".kopiaignore and keep";
}

TEST_F(MigrateTest, ADamagedSnapshotIsReportedAndTheOthersAreCopied) {
  const DirEntry bad = file("bad", "will be damaged");
  save(directory("data", {bad}));
  save(directory("data", {file("good", "1")}), "/data", test::kEntryTime + hours(1));
  damage(bad.obj);
  reopen();
  EXPECT_FALSE(migrate().ok());
  EXPECT_EQ(errors_, 1);
  ASSERT_EQ(there().size(), 1U);
  EXPECT_EQ(there()[0].start_time, test::kEntryTime + hours(1));
}

class HistoryTest : public test::RestoreFixture {
 protected:
  Result<std::int64_t> run(SourceInfo from, SourceInfo to, bool move = false, bool dry_run = false) {
    copies_ = exists_ = 0;
    return copy_history(repository_->manifests(),
                        {.from = std::move(from),
                         .to = std::move(to),
                         .move = move,
                         .dry_run = dry_run,
                         .on_step = [&](HistoryStep step, const SnapshotManifest&,
                                        const SourceInfo&) { ++(step == HistoryStep::copy ? copies_ : exists_); }},
                        {});
  }
  std::size_t count(const SourceInfo& source) {
    auto s = snapshots_of(repository_->manifests(), source, {});
    return s.ok() ? s->size() : 0;
  }
  int copies_ = 0, exists_ = 0;
};

TEST_F(HistoryTest, CopiesOnceAndMoves) {
  const DirEntry root = directory("data", {file("a", "1")});
  save(root);
  save(root, "/data", test::kEntryTime + hours(1));
  const SourceInfo from{"lab", "alice", "/data"};
  const SourceInfo to{"box", "bob", "/x"};
  ASSERT_EQ(run(from, to, false, true).value(), 0);
  EXPECT_EQ(count(to), 0U);
  ASSERT_EQ(run(from, to).value(), 2);
  ASSERT_EQ(run(from, to).value(), 0);
  EXPECT_EQ(exists_, 2);
  EXPECT_EQ(count(to), 2U);
  // A move onto what is there deletes the originals only.
  ASSERT_EQ(run(from, to, true).value(), 2);
  EXPECT_EQ(count(from), 0U);
  EXPECT_EQ(count(to), 2U);
  ASSERT_EQ(run({"box", "", ""}, {"hut", "", ""}, true).value(), 4);
  EXPECT_EQ(count({"hut", "bob", "/x"}), 2U);
  EXPECT_EQ(run({"hut", "", ""}, {"a", "", "/y"}).code(), Code::invalid_argument);
  EXPECT_EQ(run({"hut", "", ""}, {"a", "u", ""}).code(), Code::invalid_argument);
}

}  // namespace
}  // namespace cairn::snapshot
