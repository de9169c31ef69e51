#include "snapshot/create.h"

#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "snapshot/store.h"
#include "snapshot/upload_test_support.h"

namespace cairn::snapshot {
namespace {

class Create : public test::UploadFixture {
 protected:
  CreateRequest request() const {
    CreateRequest r;
    r.source = source_;
    r.upload = options_;
    return r;
  }
  CreateResult create(const CreateRequest& r) {
    auto result = create_snapshot(*repository_, r, {});
    EXPECT_TRUE(result.ok()) << result.status().message();
    return result.ok() ? std::move(*result) : CreateResult{};
  }
  void set(const Policy& policy, const std::string& path) {
    ASSERT_TRUE(set_policy(repository_->manifests(), {"lab", "alice", path}, policy, {}).ok());
  }
  static ActionCommand shell(const std::string& script, const std::string& mode = "essential") {
    ActionCommand a;
    a.script = script;
    a.mode = mode;
    return a;
  }
  std::string log() const {
    std::ifstream in(temp_.path() + "/log");
    std::stringstream text;
    text << in.rdbuf();
    return text.str();
  }
};

TEST_F(Create, SavesAndSurvivesReopening) {
  write("a", "content");
  CreateRequest r = request();
  r.description = "first";
  r.tags = {{"tag:k", "v"}};
  r.pins = {"z", "a", "z"};
  const CreateResult created = create(r);
  EXPECT_TRUE(created.saved);
  reopen();
  const auto loaded = load_snapshot(repository_->manifests(), created.manifest.id, {});
  ASSERT_TRUE(loaded.ok()) << loaded.status().message();
  EXPECT_EQ(loaded->description, "first");
  EXPECT_EQ(loaded->tags.at("tag:k"), "v");
  EXPECT_EQ(loaded->pins, (std::vector<std::string>{"a", "z"}));
  EXPECT_EQ(loaded->source, source_.info);
  EXPECT_EQ(content(find(*loaded, "a").obj), "content");
  const auto maintenance = repository_->manifests().find_with_payload({{"type", "maintenance"}}, {});
  ASSERT_TRUE(maintenance.ok());
  ASSERT_EQ(maintenance->size(), 1U);
  EXPECT_EQ(maintenance->front().payload.dump(),
            R"({"owner":"alice@lab","quick":{"enabled":true,"interval":3600000000000},)"
            R"("full":{"enabled":true,"interval":86400000000000},)"
            R"("logRetention":{"maxTotalSize":1073741824,"maxCount":10000,"maxAge":2592000000000000},)"
            R"("extendObjectLocks":false,"listParallelism":0})");
  // The second one finds the first by itself.
  const CreateResult second = create(request());
  EXPECT_EQ(second.manifest.stats.cached_files, 1);
  EXPECT_EQ(repository_->manifests().find({{"type", "maintenance"}}, {})->size(), 1U);
}

TEST_F(Create, GivenTimesKeepTheDuration) {
  CreateRequest r = request();
  r.start_time = Timestamp::from_seconds(1'000'000'000);
  const SnapshotManifest first = create(r).manifest;
  EXPECT_EQ(first.start_time, *r.start_time);
  EXPECT_GE(first.end_time, first.start_time);
  EXPECT_LT(first.end_time, first.start_time + minutes(1));
  r.start_time.reset();
  r.end_time = Timestamp::from_seconds(1'100'000'000);
  const SnapshotManifest second = create(r).manifest;
  EXPECT_EQ(second.end_time, *r.end_time);
  EXPECT_LE(second.start_time, second.end_time);
  r.start_time = *r.end_time + seconds(1);
  EXPECT_EQ(create_snapshot(*repository_, r, {}).status().message(),
            "start time override cannot be after the end time override");
}

TEST_F(Create, IdenticalSnapshotsAreNotKeptWhenThePolicySaysSo) {
  write("a", "content");
  Policy policy;
  policy.retention.ignore_identical_snapshots = true;
  set(policy, "/data/src");
  EXPECT_TRUE(create(request()).saved);
  EXPECT_FALSE(create(request()).saved);
  write("b", "new");
  EXPECT_TRUE(create(request()).saved);
  EXPECT_EQ(snapshots_of(repository_->manifests(), source_.info, {})->size(), 2U);
}

TEST_F(Create, RetentionIsApplied) {
  Policy policy;
  policy.retention.keep_latest = 2;
  policy.retention.keep_hourly = policy.retention.keep_daily = policy.retention.keep_weekly = 0;
  policy.retention.keep_monthly = policy.retention.keep_annual = 0;
  set(policy, "/data/src");
  for (int i = 0; i < 4; ++i) {
    create(request());
  }
  EXPECT_EQ(snapshots_of(repository_->manifests(), source_.info, {})->size(), 2U);
}

TEST_F(Create, ManualMarkIsSetOnceAndRefusedBesideASchedule) {
  CreateRequest r = request();
  r.set_manual = true;
  create(r);
  create(r);
  const auto policy = defined_policy(repository_->manifests(), source_.info, {});
  ASSERT_TRUE(policy.ok());
  EXPECT_TRUE(policy->policy.scheduling.manual);
  EXPECT_TRUE(automatic_sources(*repository_, {})->empty());

  Policy scheduled;
  scheduled.scheduling.interval_seconds = 3600;
  set(scheduled, "/data/other");
  r.source.info.path = "/data/other";
  const auto refused = create_snapshot(*repository_, r, {});
  ASSERT_FALSE(refused.ok());
  EXPECT_TRUE(refused.status().message().starts_with(
      "unable to set manual field in scheduling policy for source: can't save policy for alice@lab:/data/other: "))
      << refused.status().message();
  // The snapshot itself has been saved.
  reopen();
  EXPECT_EQ(snapshots_of(repository_->manifests(), r.source.info, {})->size(), 1U);
}

TEST_F(Create, ErrorsOfTheUploadCarryAFrame) {
  CreateRequest r = request();
  r.source.path = at("missing");
  EXPECT_EQ(create_snapshot(*repository_, r, {}).status().message(), "upload error: no such file or directory");
}

TEST_F(Create, PoliciesOfSubdirectoriesApply) {
  mkdir("sub");
  write("sub/a.tmp", "x");
  write("sub/b", "y");
  write("c.tmp", "z");
  Policy policy;
  policy.files.ignore = {"*.tmp"};
  set(policy, "/data/src/sub");
  const SnapshotManifest m = create(request()).manifest;
  EXPECT_EQ(names(read(find(m, "sub").obj)), (std::vector<std::string>{"b"}));
  EXPECT_EQ(find(m, "c.tmp").size, 1);
}

TEST_F(Create, ActionsRunInOrderAndMayRedirect) {
  mkdir("real");
  write("real/file", "content");
  const std::string note = "echo $KOPIA_ACTION ${KOPIA_SNAPSHOT_PATH##*/} >> " + temp_.path() + "/log\n";
  Policy policy;
  policy.actions.before_snapshot_root = shell(note + "echo KOPIA_SNAPSHOT_PATH=" + at("real") + "\n");
  policy.actions.after_snapshot_root = shell(note);
  policy.actions.before_folder = shell(note);
  policy.actions.after_folder = shell("#!/bin/sh\n" + note);
  set(policy, "/data/src");
  CreateRequest r = request();
  r.upload.enable_actions = true;
  const SnapshotManifest m = create(r).manifest;
  EXPECT_EQ(m.root->name, "real");
  EXPECT_EQ(content(find(m, "file").obj), "content");
  EXPECT_EQ(log(), "before-snapshot-root src\nbefore-folder real\nafter-folder real\nafter-snapshot-root real\n");
  r.upload.enable_actions = false;
  EXPECT_EQ(create(r).manifest.root->name, "src");
}

TEST_F(Create, ModesOfActions) {
  Policy policy;
  CreateRequest r = request();
  r.upload.enable_actions = true;
  policy.actions.before_snapshot_root = shell("exit 3");
  set(policy, "/data/src");
  EXPECT_EQ(create_snapshot(*repository_, r, {}).status().message(), "upload error: exit status 3");
  policy.actions.before_snapshot_root = shell("exit 3", "optional");
  set(policy, "/data/src");
  EXPECT_TRUE(create(r).saved);
  policy.actions.before_snapshot_root = shell("sleep 20");
  policy.actions.before_snapshot_root->timeout_seconds = 1;
  set(policy, "/data/src");
  EXPECT_EQ(create_snapshot(*repository_, r, {}).status().message(), "upload error: signal: killed");
  policy.actions.before_snapshot_root->script.clear();
  policy.actions.before_snapshot_root->path = at("nope.sh");
  set(policy, "/data/src");
  EXPECT_EQ(create_snapshot(*repository_, r, {}).status().message(), "upload error: no such file or directory");
}

TEST_F(Create, FailingFolderActionIsAnErrorOfThatDirectory) {
  mkdir("sub");
  write("sub/a", "x");
  write("b", "y");
  Policy policy;
  policy.actions.before_folder = shell("exit 1");
  set(policy, "/data/src/sub");
  CreateRequest r = request();
  r.upload.enable_actions = true;
  const SnapshotManifest m = create(r).manifest;
  EXPECT_EQ(names(read(m.root->obj)), (std::vector<std::string>{"b"}));
  EXPECT_EQ(m.stats.error_count, 1);
  ASSERT_EQ(m.root->summ->errors.size(), 1U);
  EXPECT_EQ(m.root->summ->errors[0], (EntryError{"sub", "exit status 1"}));
}

TEST_F(Create, PlaceholdersStandForWhatTheyHold) {
  write("file", "content");
  mkdir("dir");
  write("dir/inner", "inner");
  const SnapshotManifest first = create(request()).manifest;
  const auto placeholder = [&](const std::string& name) {
    std::string text;
    find(first, name).append_json(text);
    return text + "\n";
  };
  write("file.kopia-entry", placeholder("file"), 0444);
  mkdir("dir.kopia-entry", 0700);
  write("dir.kopia-entry/.kopia-entry", placeholder("dir"), 0444);
  // Beside the real ones: an error.
  EXPECT_FALSE(create_snapshot(*repository_, request(), {}).ok());
  ASSERT_EQ(::unlink(at("file").c_str()), 0);
  ASSERT_TRUE(sys::remove_tree(at("dir")).ok());
  const SnapshotManifest second = create(request()).manifest;
  // The directory's own time differs; what it holds does not.
  EXPECT_EQ(second.root->obj, first.root->obj);
  EXPECT_EQ(*second.root->summ, *first.root->summ);
}

TEST_F(Create, PlaceholdersOfAnotherRepositoryAreRefused) {
  write("file.kopia-entry",
        R"({"name":"file","type":"f","mode":"0644","size":12,"obj":"a948904f2f0f479b8f8197694b30184b"})");
  const SnapshotManifest m = create(request()).manifest;
  ASSERT_EQ(m.root->summ->errors.size(), 1U);
  EXPECT_EQ(m.root->summ->errors[0].path, "file.kopia-entry");
  EXPECT_TRUE(m.root->summ->errors[0].error.ends_with("contains foreign object.ID"));
  mkdir("dir.kopia-entry");
  write("dir.kopia-entry/.kopia-entry",
        R"({"name":"dir","type":"d","mode":"0755","obj":"ka948904f2f0f479b8f8197694b30184b"})");
  EXPECT_FALSE(create_snapshot(*repository_, request(), {}).ok());
}

TEST(ResolveSourcePath, FollowsALinkAtTheEnd) {
  auto temp = sys::TempDir::make();
  ASSERT_TRUE(temp.ok());
  const std::string real = std::filesystem::canonical(temp->path()).string();
  ASSERT_EQ(::mkdir((real + "/dir").c_str(), 0755), 0);
  ASSERT_EQ(::symlink("dir", (real + "/link").c_str()), 0);
  const auto plain = resolve_source_path(real + "/dir/");
  ASSERT_TRUE(plain.ok());
  EXPECT_EQ(plain->path, real + "/dir");
  EXPECT_FALSE(plain->resolved);
  const auto link = resolve_source_path(real + "/link");
  ASSERT_TRUE(link.ok());
  EXPECT_EQ(link->path, real + "/dir");
  EXPECT_TRUE(link->resolved);
  EXPECT_EQ(resolve_source_path(real + "/missing").status().message(),
            "resolveSymlink: stat: lstat " + real + "/missing: no such file or directory");
}

}  // namespace
}  // namespace cairn::snapshot
