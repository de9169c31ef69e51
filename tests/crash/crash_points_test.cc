// Crash points: a history of commands runs once on a recorded storage. Then for every command and every change it made
// to the storage, the storage is rebuilt as if the process had died there, opened, and must hold every snapshot that
// was complete before; all that is listed must be readable to the last byte, and backup, maintenance and verification
// must go on.
#include <gtest/gtest.h>

#include <map>

#include "maintenance/run.h"
#include "repo/sync.h"
#include "snapshot/create.h"
#include "snapshot/store.h"
#include "snapshot/upload_test_support.h"
#include "snapshot/verify.h"
#include "tests/crash/recorded_storage.h"
#include "tests/support/gen.h"

namespace cairn::test {
namespace {

constexpr std::string_view kPassword = "test-password";
constexpr std::string_view kNewPassword = "another-password";
constexpr std::int64_t kSmallPack = 10 << 20;
const snapshot::SourceInfo kSource{"lab", "alice", "/data/src"};
const snapshot::SourceInfo kOther{"lab", "alice", "/data/other"};

Result<std::unique_ptr<repo::Repository>> open(std::shared_ptr<blob::Storage> storage, const Clock& clock,
                                               std::string_view password) {
  repo::ClientOptions client;
  client.hostname = kSource.host;
  client.username = kSource.user_name;
  repo::OpenOptions options;
  options.clock = &clock;
  return repo::Repository::open_direct(std::move(storage), password, client, {}, options, {});
}

// A snapshot's identity that survives a change of its pins, and what it holds.
using Known = std::map<std::string, std::string>;
std::string identity(const snapshot::SnapshotManifest& m) { return m.source.text() + '@' + rfc3339(m.start_time); }

Result<Known> complete_snapshots(repo::Repository& repository) {
  Known out;
  snapshot::SnapshotFilter all;
  all.strict = true;
  TRY_ASSIGN(const auto found, snapshot::list_snapshots(repository.manifests(), all, {}));
  for (const snapshot::SnapshotManifest& m : found) {
    if (m.incomplete.empty()) {
      out[identity(m)] = m.root->obj.text();
    }
  }
  return out;
}

struct Step {
  std::string name;
  std::size_t from = 0, to = 0;  // changes
  Known before, after;
  bool maintenance = false;
};

class CrashPoints : public testing::Test {
 protected:
  void SetUp() override {
    auto made = sys::TempDir::make("cairn-crash-test-", ::access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    ASSERT_TRUE(made.ok()) << made.status().message();
    temp_ = std::move(*made);
    for (const char* name : {"src", "other"}) {
      ASSERT_EQ(::mkdir(path(name).c_str(), 0755), 0);
    }
    storage_ = std::make_shared<RecordedStorage>(blob::make_memory_storage(clock_), clock_);
    format::CreateOptions options;
    options.unique_id = gen_rand(1, 32);
    ASSERT_TRUE(repo::create(*storage_, kPassword, options, {}).ok());
    created_ = storage_->changes().size();
    write("other/a", gen_rand(2, 5000));
  }

  std::string path(const std::string& name) const { return temp_.path() + '/' + name; }
  void write(const std::string& name, const Bytes& content) {
    const auto fd = sys::open_file(path(name), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    ASSERT_TRUE(fd.ok()) << fd.status().message();
    ASSERT_TRUE(sys::write_all(fd->get(), content).ok());
  }

  using Work = std::function<Status(repo::Repository&)>;
  // One command in its own process, as it were.
  void run(const std::string& name, const Work& work, bool maintenance = false) {
    Step step;
    step.name = name;
    step.from = storage_->changes().size();
    step.before = known_;
    step.maintenance = maintenance;
    {
      auto repository = open(storage_, clock_, password_);
      ASSERT_TRUE(repository.ok()) << name << ": " << repository.status().message();
      const Status done = work(**repository);
      ASSERT_TRUE(done.ok()) << name << ": " << done.message();
      const Status flushed = (*repository)->flush({});
      ASSERT_TRUE(flushed.ok()) << name << ": " << flushed.message();
    }
    step.to = storage_->changes().size();
    auto repository = open(storage_, clock_, password_);
    ASSERT_TRUE(repository.ok()) << name << ": " << repository.status().message();
    auto known = complete_snapshots(**repository);
    ASSERT_TRUE(known.ok()) << name << ": " << known.status().message();
    known_ = *known;
    step.after = known_;
    EXPECT_GT(step.to, step.from) << name << " changed nothing";
    steps_.push_back(step);
    clock_.advance(minutes(10));
  }

  Status create(repo::Repository& repository, const snapshot::SourceInfo& source, const std::string& directory,
                Duration checkpoint_interval = minutes(45)) {
    snapshot::CreateRequest request;
    request.source.info = source;
    request.source.path = path(directory);
    request.upload.parallel = 2;
    request.upload.checkpoint_interval = checkpoint_interval;
    request.upload.progress = &log_;
    TRY_ASSIGN(const auto result, snapshot::create_snapshot(repository, request, {}));
    EXPECT_EQ(result.manifest.stats.error_count, 0);
    last_id_ = result.manifest.id;
    return {};
  }
  Work snapshot_of(const snapshot::SourceInfo& source, const std::string& directory) {
    return [this, source, directory](repo::Repository& r) { return create(r, source, directory); };
  }
  static Work full_maintenance() {
    return [](repo::Repository& r) {
      maintenance::RunOptions options;
      options.mode = maintenance::Mode::full;
      return maintenance::run_maintenance(r, options, {}, {}).status();
    };
  }

  // All crash points of all steps so far.
  void check_all() {
    const std::vector<Change> changes = storage_->changes();
    std::size_t points = 0;
    for (const Step& step : steps_) {
      for (const CrashPoint& point : crash_points(changes, step.from, step.to)) {
        const Status bad = check(changes, step, point);
        EXPECT_TRUE(bad.ok()) << step.name << ", " << point.name << ": " << bad.message();
        ++points;
      }
    }
    RecordProperty("crash_points", static_cast<int>(points));
    std::cout << points << " crash points in " << steps_.size() << " commands\n";
  }

  Status check(const std::vector<Change>& changes, const Step& step, const CrashPoint& point) {
    Replay replay;
    for (std::size_t i = 0; i < point.cut; ++i) {
      TRY(replay.apply(changes[i]));
    }
    if (point.extra) {
      TRY(replay.apply(*point.extra));
    }
    replay.clock().advance(minutes(1));
    Status found = go_on(replay, step);
    const bool pack = point.extra && (point.extra->id.starts_with("p") || point.extra->id.starts_with("q"));
    if (point.torn && !pack && !found.ok()) {
      // A store that tears what must be whole has broken its promise: a clear error is all that is asked for, and that
      // nothing is wrong any more without the torn blob or, if it replaced one, with its former bytes.
      EXPECT_TRUE(found.is(Code::corrupt) || found.is(Code::unauthenticated))
          << step.name << ", " << point.name << ": " << found.message();
      CrashPoint whole = point;
      whole.extra.reset();
      whole.torn = false;
      return check(changes, step, whole);
    }
    return found;
  }

  // The next process: everything is there, and the usual commands work.
  Status go_on(Replay& replay, const Step& step) {
    auto opened = open(replay.storage(), replay.clock(), kPassword);
    if (opened.code() == Code::unauthenticated) {
      opened = open(replay.storage(), replay.clock(), kNewPassword);
    }
    TRY(opened, "open");
    repo::Repository& repository = **opened;
    TRY_ASSIGN(const Known known, complete_snapshots(repository), "list");
    for (const auto& [name, root] : step.before) {
      const auto it = known.find(name);
      const bool may_go = !step.after.contains(name);
      if ((it == known.end() && !may_go) || (it != known.end() && it->second != root)) {
        return error(Code::not_found, "snapshot {} is lost", name);
      }
    }
    TRY(verify(repository), "verify");
    TRY(create(repository, kOther, "other"), "next backup");
    if (step.maintenance) {
      replay.clock().advance(hours(30));
      TRY(full_maintenance()(repository), "next maintenance");
    }
    TRY_ASSIGN(const auto again, open(replay.storage(), replay.clock(), password_of(replay)), "open again");
    return verify(*again).with_frame("verify again");
  }
  static std::string_view password_of(Replay& replay) {
    return open(replay.storage(), replay.clock(), kPassword).ok() ? kPassword : kNewPassword;
  }

  static Status verify(repo::Repository& repository) {
    snapshot::VerifyOptions options;
    options.files_percent = 100;
    options.max_errors = 0;
    snapshot::VerifyResult result;
    return snapshot::verify_snapshots(repository, options, {}, result, {});
  }

  FakeClock clock_;
  sys::TempDir temp_;
  std::shared_ptr<RecordedStorage> storage_;
  std::string_view password_ = kPassword;
  std::size_t created_ = 0;
  std::vector<Step> steps_;
  Known known_;
  std::string last_id_;
  snapshot::test::ErrorLog log_;
};

TEST_F(CrashPoints, RepositoryCreate) {
  const std::vector<Change> changes = storage_->changes();
  for (const CrashPoint& point : crash_points(changes, 0, created_)) {
    Replay replay;
    for (std::size_t i = 0; i < point.cut; ++i) {
      ASSERT_TRUE(replay.apply(changes[i]).ok());
    }
    if (point.extra) {
      ASSERT_TRUE(replay.apply(*point.extra).ok());
    }
    const auto opened = open(replay.storage(), replay.clock(), kPassword);
    if (opened.ok()) {
      EXPECT_TRUE(create(**opened, kOther, "other").ok()) << point.name;
      EXPECT_TRUE(verify(**opened).ok()) << point.name;
    } else if (point.torn) {
      EXPECT_TRUE(opened.code() == Code::corrupt || opened.code() == Code::not_found)
          << point.name << ": " << opened.status().message();
    } else {
      // Nothing or the blob configuration alone: never taken for an empty place that may be overwritten silently.
      EXPECT_EQ(opened.code(), Code::not_found) << point.name << ": " << opened.status().message();
      const Status again = repo::create(*replay.storage(), kPassword, {}, {});
      EXPECT_TRUE(point.cut == 0 ? again.ok() : again.is(Code::already_exists))
          << point.name << ": " << again.message();
    }
  }
}

TEST_F(CrashPoints, SnapshotsOfSeveralPacksWithCheckpoints) {
  run("change of parameters", [](repo::Repository& r) {
    return r.format().update(
        [](format::Parameters& p, format::BlobConfig&) {
          p.max_pack_size = kSmallPack;
          return Status();
        },
        {});
  });
  for (std::uint64_t i = 0; i < 12; ++i) {
    write(fmt::format("src/large{}", i), gen_rand(100 + i, 2'000'000));
  }
  run("first snapshot", [this](repo::Repository& r) { return create(r, kSource, "src", milliseconds(30)); });
  EXPECT_GT(log_.checkpoints, 0);
  write("src/large3", gen_rand(500, 1'000'000));
  write("src/new", gen_rand(501, 3000));
  run("second snapshot", snapshot_of(kSource, "src"));
  const auto packs =
      std::ranges::count_if(storage_->changes(), [](const Change& c) { return c.put && c.id.starts_with("p"); });
  EXPECT_GE(packs, 3);
  check_all();
}

TEST_F(CrashPoints, PoliciesPinsDeleteExpirePassword) {
  for (std::uint64_t i = 0; i < 4; ++i) {
    write("src/file", gen_rand(10 + i, 20'000));
    run("snapshot", snapshot_of(kSource, "src"));
  }
  run("snapshot pin", [this](repo::Repository& r) -> Status {
    TRY_ASSIGN(auto m, snapshot::load_snapshot(r.manifests(), last_id_, {}));
    snapshot::update_pins(m, {"keep"}, {});
    return snapshot::update_snapshot(r.manifests(), m, {});
  });
  run("policy set", [](repo::Repository& r) {
    snapshot::Policy policy;
    policy.retention.keep_latest = 2;
    for (auto* keep : {&policy.retention.keep_hourly, &policy.retention.keep_daily, &policy.retention.keep_weekly,
                       &policy.retention.keep_monthly, &policy.retention.keep_annual}) {
      *keep = 0;
    }
    return snapshot::set_policy(r.manifests(), kSource, policy, {}).status();
  });
  run("snapshot delete", [](repo::Repository& r) -> Status {
    TRY_ASSIGN(const auto all, snapshot::snapshots_of(r.manifests(), kSource, {}));
    return snapshot::delete_snapshot(r.manifests(), all.front().id, {});
  });
  run("snapshot expire",
      [](repo::Repository& r) { return snapshot::apply_retention(r.manifests(), kSource, true, {}).status(); });
  EXPECT_EQ(known_.size(), 2U);
  run("policy delete", [](repo::Repository& r) { return snapshot::remove_policy(r.manifests(), kSource, {}); });
  run("manifest compaction", [](repo::Repository& r) { return r.manifests().compact({}); });
  run("change of password", [this](repo::Repository& r) {
    password_ = kNewPassword;
    return r.format().change_password(kNewPassword, {});
  });
  check_all();
}

TEST_F(CrashPoints, Maintenance) {
  const auto quick = [](repo::Repository& r) {
    maintenance::RunOptions options;
    options.mode = maintenance::Mode::quick;
    return maintenance::run_maintenance(r, options, {}, {}).status();
  };
  for (std::uint64_t i = 0; i < 3; ++i) {
    write("src/file", gen_rand(10 + i, 20'000));
    run("snapshot", snapshot_of(kSource, "src"));
  }
  run("snapshot delete", [](repo::Repository& r) -> Status {
    TRY_ASSIGN(const auto all, snapshot::snapshots_of(r.manifests(), kSource, {}));
    return snapshot::delete_snapshot(r.manifests(), all.front().id, {});
  });
  // Marks after a day, makes them final after two runs, deletes the packs a day later.
  for (const Duration pause : {hours(25), hours(5), hours(5), hours(25), hours(5)}) {
    clock_.advance(pause);
    run("full maintenance", full_maintenance(), true);
  }
  run("quick maintenance", quick, true);
  const auto packs_removed =
      std::ranges::count_if(storage_->changes(), [](const Change& c) { return !c.put && c.id.starts_with("p"); });
  EXPECT_GT(packs_removed, 0);
  // Without the early steps, which the other test has.
  steps_.erase(steps_.begin(), steps_.begin() + 4);
  check_all();
}

std::map<std::string, Bytes> all_bytes(blob::Storage& storage) {
  std::map<std::string, Bytes> out;
  const auto blobs = storage.list_all("", {});
  EXPECT_TRUE(blobs.ok());
  for (const auto& each : *blobs) {
    const auto bytes = storage.get(each.id, {}, {});
    EXPECT_TRUE(bytes.ok());
    out[each.id.text] = Bytes(bytes->view().begin(), bytes->view().end());
  }
  return out;
}

// `sync-to` dies at each of its writes, into an empty place and into a copy that is two maintenance cycles old: what is
// there opens and verifies or is not taken for a repository, and the next run makes it equal to the source.
TEST_F(CrashPoints, ACopyIsWholeWhereverItWasCut) {
  const auto copy = std::make_shared<RecordedStorage>(blob::make_memory_storage(clock_), clock_);
  repo::SyncOptions options;
  options.remove = true;
  const auto sync = [&](blob::Storage& to) { return repo::sync_repository(*storage_, to, options, {}, {}).status(); };
  for (std::uint64_t i = 0; i < 3; ++i) {
    write("src/file", gen_rand(10 + i, 20'000));
    run("snapshot", snapshot_of(kSource, "src"));
  }
  ASSERT_TRUE(sync(*copy).ok());
  const std::size_t first = copy->changes().size();
  const Known before = known_;
  run("snapshot delete", [](repo::Repository& r) -> Status {
    TRY_ASSIGN(const auto all, snapshot::snapshots_of(r.manifests(), kSource, {}));
    return snapshot::delete_snapshot(r.manifests(), all.front().id, {});
  });
  for (const Duration pause : {hours(25), hours(5), hours(5), hours(25), hours(5)}) {
    clock_.advance(pause);
    run("full maintenance", full_maintenance(), true);
  }
  write("src/file", gen_rand(20, 20'000));
  run("snapshot", snapshot_of(kSource, "src"));
  ASSERT_TRUE(sync(*copy).ok());
  const std::vector<Change> changes = copy->changes();
  EXPECT_TRUE(std::ranges::any_of(changes, [](const Change& c) { return !c.put && c.id.starts_with("p"); }));
  const auto wanted = all_bytes(*storage_);
  std::size_t points = 0;
  const auto each_point = [&](std::size_t from, std::size_t to, const auto& check) {
    for (const CrashPoint& point : crash_points(changes, from, to)) {
      Replay replay;
      for (std::size_t i = 0; i < point.cut; ++i) {
        ASSERT_TRUE(replay.apply(changes[i]).ok());
      }
      if (point.extra) {
        ASSERT_TRUE(replay.apply(*point.extra).ok());
      }
      if (!point.torn) {
        check(point, replay);
      }
      const Status again = sync(*replay.storage());
      // Half of a format blob is nobody's: a person must look at it.
      const bool half_a_format = point.torn && point.extra && point.extra->id.text == "kopia.repository";
      EXPECT_TRUE(again.ok() || half_a_format) << point.name << ": " << again.message();
      EXPECT_TRUE(!again.ok() || all_bytes(*replay.storage()) == wanted) << point.name;
      ++points;
    }
  };
  each_point(0, first, [&](const CrashPoint& point, Replay& replay) {
    const auto opened = open(replay.storage(), replay.clock(), kPassword);
    if (!opened.ok()) {
      EXPECT_EQ(opened.code(), Code::not_found) << point.name << ": " << opened.status().message();
      return;
    }
    const auto known = complete_snapshots(**opened);
    EXPECT_TRUE(known.ok() && *known == before && verify(**opened).ok()) << point.name;
  });
  each_point(first, changes.size(), [&](const CrashPoint& point, Replay& replay) {
    const auto opened = open(replay.storage(), replay.clock(), kPassword);
    ASSERT_TRUE(opened.ok()) << point.name << ": " << opened.status().message();
    const auto known = complete_snapshots(**opened);
    ASSERT_TRUE(known.ok()) << point.name << ": " << known.status().message();
    for (const auto& [name, root] : before) {
      const bool kept = known_.contains(name);
      EXPECT_TRUE(!kept || (known->contains(name) && known->at(name) == root)) << point.name << ": " << name;
    }
    const Status verified = verify(**opened);
    EXPECT_TRUE(verified.ok()) << point.name << ": " << verified.message();
  });
  std::cout << points << " crash points of sync-to\n";
}

}  // namespace
}  // namespace cairn::test
