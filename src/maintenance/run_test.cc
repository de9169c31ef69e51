#include "maintenance/run.h"

#include <gtest/gtest.h>

#include "content/session.h"
#include "index/epoch_sets.h"
#include "maintenance/blob_tasks.h"
#include "maintenance/self_check.h"
#include "maintenance/snapshot_gc.h"
#include "snapshot/directory.h"
#include "snapshot/freshness.h"
#include "snapshot/store.h"
#include "tests/support/test_repository.h"

namespace cairn::maintenance {
namespace {

#define ASSERT_OK(expression)                             \
  do {                                                    \
    const Status status_of_(expression);                  \
    ASSERT_TRUE(status_of_.ok()) << status_of_.message(); \
  } while (false)

// A repository in memory on a clock that the test moves; snapshots are directories of one file each.
class Maintenance : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK(made_.status());
    repository_ = open("alice");
    ASSERT_NE(repository_, nullptr);
    Parameters p;
    p.owner = "alice@lab";
    ASSERT_OK(save_parameters(repository_->manifests(), p, {}));
    ASSERT_OK(repository_->flush({}));
  }

  std::unique_ptr<repo::Repository> open(const std::string& user) {
    repo::ClientOptions client;
    client.username = user;
    client.hostname = "lab";
    repo::OpenOptions options;
    options.clock = &clock_;
    auto r = repo::Repository::open_direct(made_.storage(), test::kTestPassword, client, {}, options, {});
    EXPECT_TRUE(r.ok()) << r.status().message();
    return r.ok() ? std::move(*r) : nullptr;
  }

  // Writes a file and a directory that holds it; not yet a snapshot.
  static snapshot::SnapshotManifest prepare(repo::Repository& r, const std::string& text, Timestamp now) {
    snapshot::SnapshotManifest m;
    m.source = {"lab", "alice", "/" + text};
    m.start_time = m.end_time = now;
    auto file = r.objects().write(as_bytes(text), {}, {});
    EXPECT_TRUE(file.ok());
    const std::string directory =
        R"({"stream":"kopia:directory","entries":[{"name":"f","type":"f","mode":"0644","size":)" +
        std::to_string(text.size()) + R"(,"mtime":"2024-01-01T00:00:00Z","obj":")" + file->text() +
        R"("}],"summary":{"size":)" + std::to_string(text.size()) +
        R"(,"files":1,"symlinks":0,"dirs":1,"maxTime":"2024-01-01T00:00:00Z","numFailed":0}})";
    object::WriterOptions k;
    k.prefix = 'k';
    auto root = r.objects().write(as_bytes(directory), k, {});
    EXPECT_TRUE(root.ok());
    m.root.emplace();
    m.root->name = text;
    m.root->type = snapshot::EntryType::directory;
    m.root->obj = *root;
    m.root->summ.emplace();
    return m;
  }

  std::string save(repo::Repository& r, snapshot::SnapshotManifest m) {
    auto id = snapshot::save_snapshot(r.manifests(), m, {});
    EXPECT_TRUE(id.ok()) << id.status().message();
    EXPECT_TRUE(r.flush({}).ok());
    return id.ok() ? *id : "";
  }

  std::string snapshot_of(const std::string& text) {
    return save(*repository_, prepare(*repository_, text, clock_.now()));
  }

  void drop(const std::string& id) {
    ASSERT_OK(snapshot::delete_snapshot(repository_->manifests(), id, {}));
    ASSERT_OK(repository_->flush({}));
  }

  Status full(Safety safety = Safety::full()) {
    RunOptions o;
    o.mode = Mode::full;
    o.safety = safety;
    auto done = run_maintenance(*repository_, o, {}, {});
    problems_ = done.ok() ? done->problems : std::vector<std::string>();
    return done.ok() ? Status() : std::move(done).status();
  }

  // "live", "marked" or "gone".
  std::string state(const std::string& text) {
    EXPECT_TRUE(repository_->contents().refresh({}).ok());
    const auto info = repository_->contents().info(repository_->contents().id_of(as_bytes(text), 0), {});
    return !info.ok() ? "gone" : info->deleted ? "marked" : "live";
  }

  std::size_t blobs(std::string_view prefix) {
    auto all = made_.storage()->list_all(prefix, {});
    EXPECT_TRUE(all.ok());
    return all->size();
  }

  test::FakeClock clock_;
  test::TestRepository made_{{}, clock_};
  std::unique_ptr<repo::Repository> repository_;
  std::vector<std::string> problems_;
};

// The timeline of kopia-model §11.5.
TEST_F(Maintenance, UnreferencedContentsGoInFiveSteps) {
  drop(snapshot_of("left"));
  ASSERT_OK(full());
  EXPECT_EQ(state("left"), "live");
  clock_.advance(hours(25));
  ASSERT_OK(full());
  EXPECT_EQ(state("left"), "marked");
  EXPECT_TRUE(repository_->contents().read(repository_->contents().id_of(as_bytes("left"), 0), {}).ok());
  for (const char* expected : {"marked", "marked", "gone"}) {
    clock_.advance(hours(4));
    ASSERT_OK(full());
    EXPECT_EQ(state("left"), expected);
  }
}

TEST_F(Maintenance, PacksOfDroppedContentsAreDeletedInTheEnd) {
  const std::string kept = snapshot_of("kept");
  drop(snapshot_of("left"));
  const std::size_t before = blobs("p");
  for (int i = 0; i < 12; ++i) {
    clock_.advance(hours(25));
    ASSERT_OK(full());
  }
  EXPECT_EQ(state("left"), "gone");
  EXPECT_EQ(state("kept"), "live");
  EXPECT_LT(blobs("p"), before);
  const auto loaded = snapshot::load_snapshot(repository_->manifests(), kept, {});
  ASSERT_TRUE(loaded.ok());
  EXPECT_TRUE(repository_->objects().read_all(loaded->root->obj, 1 << 20, {}).ok());
}

// Another client reuses contents of a deleted snapshot while they are being marked: nothing is lost.
TEST_F(Maintenance, ReuseBesideGarbageCollectionIsUndone) {
  drop(snapshot_of("shared"));
  clock_.advance(hours(25));
  auto other = open("bob");
  const auto reusing = prepare(*other, "shared", clock_.now());  // finds it live
  ASSERT_OK(full());
  EXPECT_EQ(state("shared"), "marked");
  save(*other, reusing);
  for (int i = 0; i < 4; ++i) {
    clock_.advance(hours(5));
    ASSERT_OK(full());
    EXPECT_EQ(state("shared"), "live");
    EXPECT_EQ(problems_.size(), i == 0 ? 1U : 0U);
  }
}

// A process that was suspended while it made a snapshot looks again before it saves.
TEST_F(Maintenance, ABackupThatStoodStillStoresAnewWhatWasMarked) {
  drop(snapshot_of("shared"));
  clock_.advance(hours(25));
  auto other = open("bob");
  snapshot::Freshness fresh(clock_);
  auto m = prepare(*other, "shared", clock_.now());
  ASSERT_OK(full());
  EXPECT_EQ(state("shared"), "marked");
  clock_.advance(hours(5));
  ASSERT_OK(fresh.save(*other, m, {}, {}));
  EXPECT_EQ(state("shared"), "live");
  ASSERT_OK(full());
  EXPECT_TRUE(problems_.empty());
}

TEST_F(Maintenance, ABackupThatStoodStillForDaysIsNotSaved) {
  drop(snapshot_of("shared"));
  clock_.advance(hours(25));
  auto other = open("bob");
  snapshot::Freshness fresh(clock_);
  auto m = prepare(*other, "shared", clock_.now());
  for (int i = 0; i < 4; ++i) {
    ASSERT_OK(full());
    clock_.advance(hours(25));
  }
  EXPECT_EQ(state("shared"), "gone");
  EXPECT_FALSE(fresh.save(*other, m, {}, {}).ok());
  const auto left = snapshot::list_snapshots(repository_->manifests(), {}, {});
  ASSERT_TRUE(left.ok());
  EXPECT_TRUE(left->empty());
  ASSERT_OK(full());
}

TEST_F(Maintenance, AManifestThatCannotBeParsedStopsBeforeTheFirstMark) {
  drop(snapshot_of("left"));
  ASSERT_TRUE(repository_->manifests()
                  .put({{"type", "snapshot"}, {"hostname", "h"}, {"username", "u"}, {"path", "/p"}},
                       Json::object({{"startTime", 7}}), {})
                  .ok());
  ASSERT_OK(repository_->flush({}));
  clock_.advance(hours(25));
  EXPECT_FALSE(full().ok());
  EXPECT_EQ(state("left"), "live");
}

TEST_F(Maintenance, AMissingContentStopsBeforeTheFirstMarkAndNamesTheSnapshot) {
  drop(snapshot_of("left"));
  auto m = prepare(*repository_, "needy", clock_.now());
  HashValue absent;
  absent.size = 16;
  m.root->obj = object::ObjectId::direct(ContentId::make('k', absent));
  save(*repository_, m);
  clock_.advance(hours(25));
  const Status s = full();
  EXPECT_NE(s.message().find("/needy"), std::string::npos) << s.message();
  EXPECT_EQ(state("left"), "live");
  const auto schedule = load_schedule(repository_->storage(), repository_->format(), {});
  ASSERT_TRUE(schedule.ok());
  ASSERT_EQ(schedule->runs.at("snapshot-gc").size(), 1U);
  EXPECT_FALSE(schedule->runs.at("snapshot-gc").front().success);
  EXPECT_FALSE(schedule->runs.contains("full-delete-blobs"));
}

TEST_F(Maintenance, OnlyTheOwnerRuns) {
  auto other = open("bob");
  RunOptions o;
  o.mode = Mode::full;
  const auto refused = run_maintenance(*other, o, {}, {});
  EXPECT_EQ(refused.code(), Code::permission_denied);
  EXPECT_EQ(refused.status().message(), "maintenance must be run by designated user: alice@lab");
  o.force = true;
  EXPECT_TRUE(run_maintenance(*other, o, {}, {}).ok());
}

// Another client begins while packs are being deleted: the next delete is refused, and the history says so.
TEST_F(Maintenance, ASupersededRunDeletesNothingMore) {
  Parameters p;
  p.owner = "alice@lab";
  p.list_parallelism = 1;
  ASSERT_OK(save_parameters(repository_->manifests(), p, {}));
  ASSERT_OK(repository_->flush({}));
  ASSERT_OK(full());  // rewrites; the next run may delete
  for (int i = 0; i < 5; ++i) {
    const BlobId id(fmt::format("p0011223344556677889900112233445{}", i));
    ASSERT_TRUE(made_.storage()->put(id, as_bytes("x"), {}).ok());
  }
  clock_.advance(hours(25));
  RunOptions o;
  o.mode = Mode::full;
  int deleted = 0;
  Report report;
  report.progress = [&](const char* phase, std::int64_t, std::int64_t) {
    if (std::string_view(phase) != "deleting unused packs" || ++deleted != 2) {
      return;
    }
    auto other = load_schedule(*made_.storage(), repository_->format(), {});
    ASSERT_TRUE(other.ok());
    other->next_full = other->next_full + minutes(1);
    ASSERT_TRUE(save_schedule(*made_.storage(), repository_->format(), *other, {}).ok());
    clock_.advance(minutes(1));
  };
  const auto done = run_maintenance(*repository_, o, report, {});
  EXPECT_EQ(done.code(), Code::failed_precondition);
  EXPECT_EQ(blobs("p00112233445566778899"), 3U);
  const auto schedule = load_schedule(*made_.storage(), repository_->format(), {});
  ASSERT_TRUE(schedule.ok());
  EXPECT_FALSE(schedule->runs.at("full-delete-blobs").front().success);
  EXPECT_EQ(schedule->runs.at("cleanup-logs").size(), 1U);  // the first run's
}

// A process that was frozen for days between two deletes.
TEST_F(Maintenance, ASuspendedRunDeletesNothingMore) {
  ASSERT_OK(full());
  for (int i = 0; i < 5; ++i) {
    const BlobId id(fmt::format("p0011223344556677889900112233445{}", i));
    ASSERT_TRUE(made_.storage()->put(id, as_bytes("x"), {}).ok());
  }
  clock_.advance(hours(25));
  RunOptions o;
  o.mode = Mode::full;
  Report report;
  report.progress = [&](const char* phase, std::int64_t, std::int64_t) {
    if (std::string_view(phase) == "deleting unused packs") {
      clock_.advance(hours(72));
    }
  };
  EXPECT_EQ(run_maintenance(*repository_, o, report, {}).code(), Code::failed_precondition);
  EXPECT_GE(blobs("p00112233445566778899"), 1U);
}

// Contents that GC marked stay marked; what would make it final does not happen.
TEST_F(Maintenance, ANewOwnerEndsTheRunOfTheOldOne) {
  drop(snapshot_of("left"));
  clock_.advance(hours(25));
  auto other = open("bob");
  RunOptions o;
  o.mode = Mode::full;
  Report report;
  report.line = [&](const std::string& line) {
    if (line.starts_with("GC undeleted")) {
      auto p = load_parameters(other->manifests(), {});
      ASSERT_TRUE(p.ok());
      p->change_owner("bob@lab", clock_.now());
      ASSERT_OK(save_parameters(other->manifests(), *p, {}));
      ASSERT_OK(other->flush({}));
    }
  };
  const auto done = run_maintenance(*repository_, o, report, {});
  EXPECT_EQ(done.code(), Code::failed_precondition);
  EXPECT_NE(done.status().message().find("bob@lab"), std::string::npos);
  // The new owner waits until the old run must have ended.
  auto taken = run_maintenance(*other, o, {}, {});
  EXPECT_EQ(taken.code(), Code::failed_precondition);
  RunOptions automatic;
  taken = run_maintenance(*other, automatic, {}, {});
  ASSERT_TRUE(taken.ok());
  EXPECT_EQ(taken->mode, Mode::none);
  clock_.advance(hours(4));
  EXPECT_TRUE(run_maintenance(*other, o, {}, {}).ok());
}

TEST_F(Maintenance, ANewOwnerWaitsOutARunThatHasNotEnded) {
  Schedule s;
  s.add(kSnapshotGc, {clock_.now() - hours(1), clock_.now() - minutes(50), true, "", {}});
  const auto saved = save_schedule(*made_.storage(), repository_->format(), s, {});
  ASSERT_TRUE(saved.ok()) << saved.status().message();
  auto p = load_parameters(repository_->manifests(), {});
  ASSERT_TRUE(p.ok());
  p->change_owner("bob@lab", clock_.now());
  ASSERT_OK(save_parameters(repository_->manifests(), *p, {}));
  ASSERT_OK(repository_->flush({}));
  const auto bob = open("bob");
  ASSERT_NE(bob, nullptr);
  const auto automatic = run_maintenance(*bob, {.mode = Mode::automatic}, {}, {});
  ASSERT_TRUE(automatic.ok()) << automatic.status().message();
  EXPECT_EQ(automatic->mode, Mode::none);
  const auto asked = run_maintenance(*bob, {.mode = Mode::full}, {}, {});
  ASSERT_EQ(asked.code(), Code::failed_precondition);
  EXPECT_NE(asked.status().message().find("alice@lab may still be running"), std::string::npos);
  clock_.advance(hours(4));
  const auto later = run_maintenance(*bob, {.mode = Mode::full}, {}, {});
  ASSERT_TRUE(later.ok()) << later.status().message();
  EXPECT_EQ(later->mode, Mode::full);
}

TEST_F(Maintenance, CyclesFallDueByTheSchedule) {
  const auto ran = [&] {
    auto r = run_maintenance(*repository_, {}, {}, {});
    EXPECT_TRUE(r.ok());
    return r.ok() ? r->mode : Mode::none;
  };
  EXPECT_EQ(ran(), Mode::full);
  EXPECT_EQ(ran(), Mode::none);
  clock_.advance(hours(1));
  EXPECT_EQ(ran(), Mode::quick);
  clock_.advance(hours(23));
  EXPECT_EQ(ran(), Mode::full);
}

TEST_F(Maintenance, OrphansOfALiveSessionStay) {
  const auto orphan = [&](const std::string& session) {
    const BlobId id("p00112233445566778899aabbccddeeff-" + session);
    ASSERT_TRUE(made_.storage()->put(id, as_bytes("orphan"), {}).ok());
  };
  content::SessionInfo live;
  live.id = "s0123456789abcdef100";
  live.start_time = live.checkpoint_time = clock_.now();
  live.username = live.hostname = "x";
  ASSERT_TRUE(content::put_session_marker(*made_.storage(), repository_->contents().crypto(), live, {}).ok());
  orphan(live.id);
  orphan("s1111111111111111100");
  DeletePacksOptions o;
  const auto left = [&](Duration later) {
    o.now = clock_.now() + later;
    EXPECT_TRUE(delete_unreferenced_packs(*repository_, Safety::full(), o, {}, {}).ok());
    return blobs("p00112233445566778899aabbccddeeff");
  };
  EXPECT_EQ(left(hours(23)), 2U);
  EXPECT_EQ(left(hours(25)), 1U);
  EXPECT_EQ(left(hours(95)), 1U);
  EXPECT_EQ(left(hours(97)), 0U);
}

// A lease that is lost between two batches: the next batch is refused whole.
TEST_F(Maintenance, TheRightToDeleteIsAskedBeforeEveryBatch) {
  for (int i = 0; i < 250; ++i) {
    ASSERT_TRUE(made_.storage()->put(BlobId(fmt::format("p{:032x}-s1", i)), as_bytes("x"), {}).ok());
  }
  DeletePacksOptions o;
  o.now = clock_.now() + hours(1000);
  int asked = 0;
  o.right.before_batch = [&]() -> Status {
    return ++asked <= 2 ? Status() : Status(Code::failed_precondition, "superseded");
  };
  EXPECT_EQ(delete_unreferenced_packs(*repository_, Safety::full(), o, {}, {}).code(), Code::failed_precondition);
  EXPECT_EQ(asked, 3);
  EXPECT_EQ(blobs("p000"), 50U);
}

TEST_F(Maintenance, ASessionThatCannotBeReadKeepsEveryPack) {
  ASSERT_TRUE(made_.storage()->put(BlobId("p00112233445566778899aabbccddeeff-s1"), as_bytes("x"), {}).ok());
  ASSERT_TRUE(made_.storage()->put(BlobId("s00112233445566778899aabbccddeeff-s9"), as_bytes("garbage"), {}).ok());
  DeletePacksOptions o;
  o.now = clock_.now() + hours(1000);
  EXPECT_FALSE(delete_unreferenced_packs(*repository_, Safety::full(), o, {}, {}).ok());
  EXPECT_EQ(blobs("p00112233445566778899aabbccddeeff"), 1U);
}

// kopia-model §11.3: a pack that is gone is found before a task when the self-check is asked for.
TEST_F(Maintenance, TheSelfCheckFindsAMissingPack) {
  auto id = repository_->objects().write(as_bytes("lost"), {}, {});
  ASSERT_TRUE(id.ok());
  ASSERT_OK(repository_->flush({}));
  EXPECT_TRUE(self_check(repository_->contents(), 100, {}).ok());
  const auto packs = made_.storage()->list_all("p", {});
  ASSERT_OK(made_.storage()->remove(packs->front().id, {}));
  EXPECT_EQ(self_check(repository_->contents(), 100, {}).code(), Code::corrupt);
  EXPECT_TRUE(self_check(repository_->contents(), 0, {}).ok());
}

TEST_F(Maintenance, ADamagedScheduleIsNotOverwritten) {
  ASSERT_TRUE(made_.storage()->put(BlobId(kScheduleBlob), as_bytes("not a schedule"), {}).ok());
  EXPECT_EQ(full().code(), Code::corrupt);
  const auto stored = made_.storage()->get(BlobId(kScheduleBlob), {}, {});
  ASSERT_TRUE(stored.ok());
  EXPECT_EQ(stored->text(), "not a schedule");
}

TEST_F(Maintenance, ShortPacksAreJoined) {
  std::vector<std::string> ids;
  for (int i = 0; i < 5; ++i) {
    ids.push_back(snapshot_of("text " + std::to_string(i)));
  }
  EXPECT_EQ(blobs("p"), 5U);
  ASSERT_OK(full(Safety::none()));
  EXPECT_EQ(blobs("p"), 1U);
  for (const std::string& id : ids) {
    const auto m = snapshot::load_snapshot(repository_->manifests(), id, {});
    ASSERT_TRUE(m.ok());
    EXPECT_TRUE(repository_->objects().read_all(m->root->obj, 1 << 20, {}).ok());
  }
  EXPECT_EQ(state("text 3"), "live");
}

// Index blobs of many epochs: compacted, ranged and cleaned, with nothing lost.
TEST_F(Maintenance, EpochsAreCompactedAndCleaned) {
  std::size_t most = 0;
  for (int day = 0; day < 40; ++day) {
    for (int hour = 0; hour < 24; ++hour) {
      snapshot_of("day " + std::to_string(day) + " hour " + std::to_string(hour));
      clock_.advance(hours(1));
    }
    ASSERT_OK(full());
    most = std::max(most, blobs("x"));
  }
  EXPECT_LE(most, 200U);
  EXPECT_GE(blobs("xr"), 1U);
  auto fresh = open("bob");
  const auto all = snapshot::list_snapshots(fresh->manifests(), {}, {});
  ASSERT_TRUE(all.ok());
  EXPECT_EQ(all->size(), 40U * 24);
  for (const snapshot::SnapshotManifest& m : *all) {
    ASSERT_OK(fresh->objects().verify(m.root->obj, [](const ContentId&) { return Status(); }, {}));
  }
}

TEST(CleanupLogs, LimitsBySizeNumberAndAge) {
  test::FakeClock clock;
  auto storage = blob::make_memory_storage(clock);
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(storage->put(BlobId("_log_" + std::to_string(i)), as_bytes("0123456789"), {}).ok());
    clock.advance(hours(1));
  }
  const auto doomed = [&](std::int64_t bytes, std::int64_t count, Duration age) {
    auto stats = cleanup_logs(*storage, {bytes, count, age}, {clock.now(), true, {}}, {}, {});
    EXPECT_TRUE(stats.ok());
    return stats->to_delete.count;
  };
  EXPECT_EQ(doomed(0, 0, {}), 0);
  EXPECT_EQ(doomed(50, 0, {}), 5);
  EXPECT_EQ(doomed(0, 3, {}), 7);
  EXPECT_EQ(doomed(0, 0, hours(2)), 8);
  ASSERT_TRUE(cleanup_logs(*storage, {0, 3, {}}, {clock.now(), false, {}}, {}, {}).ok());
  const auto left = storage->list_all("_log_", {});
  ASSERT_TRUE(left.ok());
  ASSERT_EQ(left->size(), 3U);
}

}  // namespace
}  // namespace cairn::maintenance
